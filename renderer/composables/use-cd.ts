import { DomusError, type DomainInfo, type PickedFile } from '../../core/api';
import { bridge, call, unwrap } from '../api';
import { baseName } from '../format';
import { useDialogsStore } from '../stores/dialogs';
import { useDomainsStore } from '../stores/domains';
import { useTasksStore } from '../stores/tasks';

/** Discs in and out of the CD-ROM drives of a virtual machine, running or not. */
export function useCd(): {
  insert: (domain: DomainInfo, vdev: string, path: string) => Promise<void>;
  /** Lets the user choose the image. */
  browse: (domain: DomainInfo, vdev: string) => Promise<void>;
  eject: (domain: DomainInfo, vdev: string) => Promise<void>;
  recent: () => Promise<PickedFile[]>;
} {
  const domains = useDomainsStore();
  const dialogs = useDialogsStore();
  const tasks = useTasksStore();

  /** Asks once more when the guest holds the disc: pulling it out is the user's to decide. */
  async function change(
    domain: DomainInfo,
    what: string,
    act: (force: boolean) => Promise<DomainInfo>,
  ): Promise<void> {
    const { name } = domain.config;
    try {
      domains.put(
        await act(false).catch(async (error: unknown) => {
          const held = error instanceof DomusError && /the guest holds/.test(error.message);
          if (!held) throw error;
          const sure = await dialogs.confirm({
            title: 'The guest holds the CD',
            message: `“${name}” uses the CD and has locked its drive. Force it out?`,
            detail:
              'The guest was told of the wish. Unmount the CD there, and it comes out at once.',
            action: 'Force Out',
            danger: true,
          });
          return sure ? act(true) : call('domain/get', { domain: domain.config.uuid });
        }),
      );
    } catch (error) {
      tasks.report(`${what} “${name}”`, error, name);
    }
  }

  const insert = (domain: DomainInfo, vdev: string, path: string): Promise<void> =>
    change(domain, `Insert ${baseName(path)} into`, (force) =>
      call('domain/cdInsert', { domain: domain.config.uuid, vdev, path, force }),
    );

  async function browse(domain: DomainInfo, vdev: string): Promise<void> {
    try {
      const picked = await unwrap(bridge.pickFile('iso'));
      if (picked !== null) await insert(domain, vdev, picked.path);
    } catch (error) {
      tasks.report('Choose a CD image', error, domain.config.name);
    }
  }

  const eject = (domain: DomainInfo, vdev: string): Promise<void> =>
    change(domain, 'Eject the CD of', (force) =>
      call('domain/cdEject', { domain: domain.config.uuid, vdev, force }),
    );

  const recent = (): Promise<PickedFile[]> => unwrap(bridge.recentIsos()).catch(() => []);

  return { insert, browse, eject, recent };
}
