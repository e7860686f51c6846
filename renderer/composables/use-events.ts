import { onScopeDispose } from 'vue';
import { bridge } from '../api';
import { useConsolesStore } from '../stores/consoles';
import { isLive, useDomainsStore } from '../stores/domains';
import { useHostStore } from '../stores/host';
import { useTasksStore } from '../stores/tasks';
import { useTrashStore } from '../stores/trash';

/** Brings what the toolstack tells into the stores. */
export function useEvents(): void {
  const domains = useDomainsStore();
  const host = useHostStore();
  const tasks = useTasksStore();
  const consoles = useConsolesStore();
  const trash = useTrashStore();
  const nameOf = (uuid: string | null): string | null =>
    uuid === null ? null : (domains.byUuid.get(uuid)?.config.name ?? null);
  const stop = bridge.onEvent((event) => {
    switch (event.type) {
      case 'domain-changed': {
        const before = domains.byUuid.get(event.domain.config.uuid);
        domains.put(event.domain);
        const restarted =
          isLive(event.domain.state) && event.domain.startedAtMs !== before?.startedAtMs;
        if (restarted && before !== undefined) consoles.serialRestarted(event.domain.config.uuid);
        return;
      }
      case 'domain-removed':
        domains.remove(event.uuid);
        consoles.forget(event.uuid);
        return;
      case 'trash-changed':
        void trash.load();
        return;
      case 'stats':
        host.sample(event.host);
        domains.sample(event.domains);
        return;
      case 'task':
        tasks.putTask(event.task);
        return;
      case 'console':
        consoles.serialOutput(event.uuid, event.data);
        return;
      case 'notice':
        tasks.notice(event.level, event.message, nameOf(event.domain));
    }
  });
  onScopeDispose(stop);
}
