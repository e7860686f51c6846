import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import type { TrashEntry } from '../../core/api';
import { call } from '../api';
import { formatBytes } from '../format';
import { useDialogsStore } from './dialogs';
import { useDomainsStore } from './domains';
import { notify, useTasksStore } from './tasks';

/** What the images of an entry take on this computer. */
export function takenBytes({ images }: TrashEntry): number {
  return images.reduce((sum, { takesBytes }) => sum + takesBytes, 0);
}

/** Deleted virtual machines and images, and the ways out of the trash. */
export const useTrashStore = defineStore('trash', () => {
  const domains = useDomainsStore();
  const dialogs = useDialogsStore();
  const tasks = useTasksStore();
  const all = shallowRef<readonly TrashEntry[]>([]);
  const loaded = ref(false);
  const total = computed(() => all.value.reduce((sum, entry) => sum + takenBytes(entry), 0));

  async function load(): Promise<void> {
    try {
      all.value = await call('trash/list', {});
      loaded.value = true;
    } catch (error) {
      tasks.report('List the trash', error);
    }
  }

  /** A name for a machine whose own is taken meanwhile. */
  function freeName(name: string): string {
    const taken = new Set(domains.all.map(({ config }) => config.name));
    let number = 2;
    while (taken.has(`${name}-${number}`)) number++;
    return `${name}-${number}`;
  }

  /** Gives a machine back and shows it, or an image; asks when the name of a machine is taken. */
  async function restore({ id, name, uuid }: TrashEntry): Promise<void> {
    const taken = uuid !== null && domains.all.some(({ config }) => config.name === name);
    const other = freeName(name);
    if (
      taken &&
      !(await dialogs.confirm({
        title: 'Restore',
        message: `Restore it as “${other}”?`,
        detail: `There is a virtual machine named “${name}” already.`,
        action: 'Restore',
        danger: false,
      }))
    )
      return;
    try {
      const params = { entry: id, ...(taken ? { name: other } : {}) };
      const domain = await call('trash/restore', params);
      if (domain === null) return notify('success', 'Restored', `“${name}” is where it was.`);
      domains.put(domain);
      domains.select(domain.config.uuid);
    } catch (error) {
      tasks.report(`Restore “${name}”`, error, name);
    }
  }

  async function remove(entry: TrashEntry): Promise<void> {
    const { name, images, uuid } = entry;
    const takes = formatBytes(takenBytes(entry));
    const sure = await dialogs.confirm({
      title: 'Delete for good',
      message: `Delete “${name}” for good?`,
      detail:
        uuid === null
          ? `What is in this file, ${takes}, cannot be had back then.`
          : images.length === 0
            ? 'Its configuration is gone then. No disk file went to the trash with it.'
            : `Its configuration and ${images.length === 1 ? 'its disk' : `its ${images.length} disks`}, ${takes}, cannot be had back then.`,
      action: 'Delete for good',
      danger: true,
    });
    if (sure)
      await freeing(`Delete “${name}” for good`, () => call('trash/delete', { entry: entry.id }));
  }

  async function empty(): Promise<void> {
    const count = all.value.length;
    const sure = await dialogs.confirm({
      title: 'Empty the trash',
      message:
        count === 1
          ? `Delete “${all.value[0]?.name ?? ''}” for good?`
          : `Delete the ${count} entries of the trash for good?`,
      detail: `${formatBytes(total.value)} of this computer become free.`,
      action: 'Empty the trash',
      danger: true,
    });
    if (sure) await freeing('Empty the trash', () => call('trash/empty', {}));
  }

  async function freeing(what: string, act: () => Promise<{ freedBytes: number }>): Promise<void> {
    try {
      const { freedBytes } = await act();
      if (freedBytes > 0)
        notify('success', 'Trash', `${formatBytes(freedBytes)} of this computer are free again.`);
    } catch (error) {
      tasks.report(what, error);
    } finally {
      await load();
    }
  }

  return { all, loaded, total, load, restore, remove, empty };
});
