import { onScopeDispose, watchEffect } from 'vue';
import type { MenuCommand } from '../../core/api';
import { bridge, call, unwrap } from '../api';
import { useConsolesStore, type VmTab } from '../stores/consoles';
import { useDialogsStore } from '../stores/dialogs';
import { isStartable, useDomainsStore } from '../stores/domains';
import { usePreferencesStore } from '../stores/preferences';
import { useTasksStore } from '../stores/tasks';
import { useDomainActions } from './use-domain-actions';

/** Does what the menu bar asks, and tells it what is possible now. */
export function useMenu(targets: { find: () => void; problems: () => void }): void {
  const domains = useDomainsStore();
  const consoles = useConsolesStore();
  const dialogs = useDialogsStore();
  const preferences = usePreferencesStore();
  const tasks = useTasksStore();
  const actions = useDomainActions();

  async function importConfig(): Promise<void> {
    try {
      const picked = await unwrap(bridge.pickFile('config'));
      if (picked === null) return;
      const text = await unwrap(bridge.readConfigFile(picked.path));
      const { config, warnings } = await call('config/parse', { text, file: picked.path });
      const paths = [
        config.kernel,
        config.ramdisk,
        config.firmware,
        ...config.disk.map((disk) => disk.target),
      ];
      if (!(await unwrap(bridge.approvePaths(paths.filter((path) => path !== ''))))) return;
      const domain = await call('domain/define', { config });
      domains.put(domain);
      domains.select(domain.config.uuid);
      for (const warning of warnings) tasks.notice('warn', warning, domain.config.name);
    } catch (error) {
      tasks.report('Import configuration', error);
    }
  }

  function view(tab: VmTab): void {
    if (domains.selectedUuid !== null) consoles.setTab(domains.selectedUuid, tab);
  }

  function run(command: MenuCommand): void {
    const domain = domains.selected;
    if (command.startsWith('send-key:')) {
      if (domain !== null) void actions.sendKeys(domain, command.slice('send-key:'.length));
      return;
    }
    const acts: Partial<Record<MenuCommand, () => unknown>> = {
      'new-vm': () => dialogs.openWizard(),
      import: () => importConfig(),
      preferences: () => (dialogs.preferences = true),
      'view-host': () => domains.select(null),
      'view-storage': () => domains.go('storage'),
      'view-networks': () => domains.go('networks'),
      'view-trash': () => domains.go('trash'),
      'view-overview': () => view('overview'),
      'view-console': () => view('console'),
      'view-hardware': () => view('hardware'),
      'view-serial': () => view('serial'),
      'view-performance': () => view('performance'),
      'scale-fit': () => preferences.set({ consoleScale: 'fit' }),
      'scale-actual': () => preferences.set({ consoleScale: 'actual' }),
      'toggle-tasks': () => preferences.set({ showTasks: !preferences.value.showTasks }),
      'full-screen': () => consoles.setFullScreen(!consoles.fullScreen),
      'start-all': () => actions.startAll(),
      'shut-down-all': () => actions.shutDownAll(),
      find: () => targets.find(),
      problems: () => targets.problems(),
      shortcuts: () => (dialogs.shortcuts = true),
      about: () => (dialogs.about = true),
      ...(domain === null
        ? {}
        : {
            start: () => actions.start(domain),
            pause: () => actions.pause(domain),
            resume: () => actions.resume(domain),
            'shut-down': () => actions.shutDown(domain),
            reboot: () => actions.reboot(domain),
            reset: () => actions.reset(domain),
            'force-off': () => actions.forceOff(domain),
            delete: () => actions.askDelete(domain),
            screenshot: () => actions.screenshot(domain, 'file'),
            'copy-screenshot': () => actions.screenshot(domain, 'clipboard'),
            'type-clipboard': () => actions.typeClipboard(domain),
          }),
    };
    acts[command]?.();
  }

  onScopeDispose(bridge.onMenu((command) => (dialogs.quit === null ? run(command) : undefined)));

  watchEffect(() => {
    const { selected } = domains;
    void bridge.setMenuContext({
      state: selected === null || dialogs.anyOpen ? null : selected.state,
      tab: selected === null ? null : consoles.tabOf(selected.config.uuid),
      scale: preferences.value.consoleScale,
      tasks: preferences.value.showTasks,
      anyRunning: domains.running.length > 0,
      anyStartable: domains.all.some((domain) => isStartable(domain.state)),
    });
  });
}
