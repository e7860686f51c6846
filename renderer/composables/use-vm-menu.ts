import { computed, type ComputedRef } from 'vue';
import type { DomainInfo } from '../../core/api';
import type { MenuEntry } from '../components/menu-entry';
import { isLive, isStartable } from '../stores/domains';
import { useDomainActions } from './use-domain-actions';

/** The entries of a virtual machine's menu, and what choosing one does. */
export function useVmMenu(domain: () => DomainInfo | null): {
  entries: ComputedRef<MenuEntry[]>;
  power: ComputedRef<MenuEntry[]>;
  choose: (id: string) => void;
} {
  const actions = useDomainActions();

  const power = computed<MenuEntry[]>(() => {
    const live = isLive(domain()?.state ?? 'shutoff');
    return [
      { id: 'shut-down', label: 'Shut Down', disabled: !live },
      { id: 'reboot', label: 'Reboot', disabled: !live },
      { id: 'reset', label: 'Force Reset', disabled: !live, separator: true },
      { id: 'force-off', label: 'Force Off', disabled: !live, danger: true },
    ];
  });

  const entries = computed<MenuEntry[]>(() => {
    const current = domain();
    const state = current?.state ?? 'shutoff';
    return [
      { id: 'console', label: 'Open Console', hint: 'Enter' },
      { id: 'start', label: 'Start', disabled: !isStartable(state), separator: true },
      state === 'paused'
        ? { id: 'resume', label: 'Resume' }
        : { id: 'pause', label: 'Pause', disabled: state !== 'running' },
      ...power.value.map((entry) => ({ ...entry, separator: false })),
      { id: 'screenshot', label: 'Take Screenshot…', disabled: !isLive(state), separator: true },
      { id: 'type-clipboard', label: 'Type Clipboard', disabled: !isLive(state) },
      { id: 'delete', label: 'Delete…', hint: 'Del', danger: true, separator: true },
    ];
  });

  function choose(id: string): void {
    const current = domain();
    if (current === null) return;
    const acts: Record<string, () => unknown> = {
      console: () => actions.openConsole(current),
      start: () => actions.start(current),
      pause: () => actions.pause(current),
      resume: () => actions.resume(current),
      'shut-down': () => actions.shutDown(current),
      reboot: () => actions.reboot(current),
      reset: () => actions.reset(current),
      'force-off': () => actions.forceOff(current),
      screenshot: () => actions.screenshot(current, 'file'),
      'type-clipboard': () => actions.typeClipboard(current),
      delete: () => actions.askDelete(current),
    };
    acts[id]?.();
  }

  return { entries, power, choose };
}
