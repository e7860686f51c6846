import { computed, onMounted, ref, watch, type ComputedRef, type Ref } from 'vue';
import {
  freeVdev,
  type DiskBus,
  type DiskConfig,
  type DomainConfig,
  type DomainInfo,
} from '../../core/api';
import { call, errorMessage } from '../api';
import { useDomainsStore } from '../stores/domains';
import { useDraftsStore, type Draft } from '../stores/drafts';
import { useHostStore } from '../stores/host';
import { useNetworksStore } from '../stores/networks';
import { useTasksStore } from '../stores/tasks';
import {
  differs,
  moveDisk,
  newMac,
  removedSections,
  sectionsOf,
  validateHardware,
  withLiveParts,
  type Section,
  type SectionId,
} from './hardware-form';

/** How long what is set takes to reach the guest. */
export type Badge = 'live' | 'at next start' | 'not applied';

export interface Hardware {
  readonly draft: ComputedRef<Draft>;
  readonly sections: ComputedRef<Section[]>;
  readonly errors: ComputedRef<Partial<Record<SectionId, string>>>;
  /** Differs from what is stored. */
  readonly changed: ComputedRef<boolean>;
  /** What the draft, or the next start, takes away. */
  readonly going: ComputedRef<string[]>;
  readonly problem: Ref<string>;
  readonly busy: Ref<boolean>;
  badge(id: SectionId): Badge | null;
  edit(patch: Partial<DomainConfig>): void;
  editDisk(vdev: string, patch: Partial<DiskConfig>): void;
  /** Puts a drive on another bus; its section is another one then. */
  moveDisk(vdev: string, bus: DiskBus): SectionId;
  addDisk(disk: DiskConfig, sizeBytes: number | null): SectionId;
  addCdrom(): SectionId | null;
  addNic(): SectionId;
  remove(id: SectionId): void;
  apply(): Promise<boolean>;
  revert(): void;
}

function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** The Hardware tab behind its looks: a draft of the configuration, what is wrong with it, when it takes effect. */
export function useHardware(domain: () => DomainInfo): Hardware {
  const domains = useDomainsStore();
  const drafts = useDraftsStore();
  const host = useHostStore();
  const networks = useNetworksStore();
  const tasks = useTasksStore();
  const problem = ref('');
  const busy = ref(false);

  const uuid = (): string => domain().config.uuid;
  const draft = computed<Draft>(
    () => drafts.byUuid.get(uuid()) ?? { config: domain().config, newDisks: {} },
  );
  const sections = computed(() => sectionsOf(draft.value.config));
  const changed = computed(
    () => JSON.stringify(draft.value.config) !== JSON.stringify(domain().config),
  );
  const errors = computed(() =>
    validateHardware(draft.value.config, {
      takenNames: domains.all
        .filter((each) => each.config.uuid !== uuid())
        .map((each) => each.config.name),
      hostCpus: host.info?.cpus ?? 1,
      networks: networks.names,
    }),
  );
  const going = computed(() => {
    const { config, machine } = domain();
    return [
      ...removedSections(config, draft.value.config).map(({ label }) => `${label}: not applied`),
      ...(machine === undefined
        ? []
        : removedSections(machine, config).map(({ label }) => `${label}: at next start`)),
    ];
  });

  watch(
    () => domain().config,
    (stored) => {
      const current = drafts.byUuid.get(uuid());
      if (current !== undefined) current.config = withLiveParts(current.config, stored);
    },
  );
  onMounted(() => networks.load().catch((error: unknown) => tasks.report('List networks', error)));

  function badge(id: SectionId): Badge | null {
    const { config, machine } = domain();
    if (differs(draft.value.config, config, id)) return 'not applied';
    if (machine === undefined) return null;
    if (differs(config, machine, id)) return 'at next start';
    return id.startsWith('cd:') ? 'live' : null;
  }

  function edit(patch: Partial<DomainConfig>): void {
    problem.value = '';
    const before = draft.value;
    drafts.byUuid.set(uuid(), {
      config: { ...copy(before.config), ...copy(patch) },
      newDisks: { ...before.newDisks },
    });
    if (!changed.value) drafts.byUuid.delete(uuid());
  }

  function editDisk(vdev: string, patch: Partial<DiskConfig>): void {
    const disk = draft.value.config.disk.map((each) =>
      each.vdev === vdev ? { ...each, ...patch } : each,
    );
    edit({ disk });
  }

  function move(vdev: string, bus: DiskBus): SectionId {
    const moved = moveDisk(draft.value.config.disk, vdev, bus);
    edit({ disk: moved.disks });
    const now = drafts.byUuid.get(uuid());
    const newBytes = now?.newDisks[vdev];
    if (now !== undefined && newBytes !== undefined && moved.vdev !== vdev) {
      delete now.newDisks[vdev];
      now.newDisks[moved.vdev] = newBytes;
    }
    const disk = moved.disks.find((each) => each.vdev === moved.vdev);
    return `${disk?.cdrom ? 'cd' : 'disk'}:${moved.vdev}`;
  }

  function addDisk(disk: DiskConfig, sizeBytes: number | null): SectionId {
    edit({ disk: [...draft.value.config.disk, disk] });
    const now = drafts.byUuid.get(uuid());
    if (now !== undefined && sizeBytes !== null) now.newDisks[disk.vdev] = sizeBytes;
    return `disk:${disk.vdev}`;
  }

  function addCdrom(): SectionId | null {
    const { disk } = draft.value.config;
    const vdev = freeVdev(disk, true);
    if (vdev === undefined) return null;
    edit({ disk: [...disk, { vdev, target: '', format: 'raw', access: 'r', cdrom: true }] });
    return `cd:${vdev}`;
  }

  function addNic(): SectionId {
    const { vif } = draft.value.config;
    const mac = newMac((count) => crypto.getRandomValues(new Uint8Array(count)));
    const bridge = networks.names[0] ?? 'nat';
    edit({ vif: [...vif, { mac, model: 'e1000', bridge, link: true, forwards: [] }] });
    return `nic:${vif.length}`;
  }

  function remove(id: SectionId): void {
    const [kind, name = ''] = id.split(':');
    const { disk, vif } = draft.value.config;
    if (kind === 'nic') return edit({ vif: vif.filter((_, index) => String(index) !== name) });
    edit({ disk: disk.filter((each) => each.vdev !== name) });
    const now = drafts.byUuid.get(uuid());
    if (now !== undefined) delete now.newDisks[name];
  }

  async function apply(): Promise<boolean> {
    if (Object.keys(errors.value).length > 0) {
      problem.value = 'Some settings need a change; they are marked.';
      return false;
    }
    busy.value = true;
    problem.value = '';
    try {
      const { config, newDisks } = draft.value;
      domains.put(
        await call('domain/redefine', { domain: uuid(), config, createDiskBytes: newDisks }),
      );
      drafts.byUuid.delete(uuid());
      return true;
    } catch (error) {
      problem.value = errorMessage(error);
      return false;
    } finally {
      busy.value = false;
    }
  }

  function revert(): void {
    drafts.byUuid.delete(uuid());
    problem.value = '';
  }

  return {
    draft,
    sections,
    errors,
    changed,
    going,
    problem,
    busy,
    badge,
    edit,
    editDisk,
    moveDisk: move,
    addDisk,
    addCdrom,
    addNic,
    remove,
    apply,
    revert,
  };
}
