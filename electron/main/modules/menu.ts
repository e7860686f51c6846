import { app, Menu, type MenuItemConstructorOptions } from 'electron';
import type { MenuCommand, MenuContext } from '../../../core/api';

const NOTHING_SELECTED: MenuContext = {
  state: null,
  tab: null,
  scale: 'fit',
  tasks: true,
  anyRunning: false,
  anyStartable: false,
};

/**
 * The menu bar (gui.md 3.3), on every platform. Accelerators that a guest could want too are the window's to
 * release: while the console holds the keyboard, `setIgnoreMenuShortcuts` makes all of them pass to the guest.
 */
export class MenuBar {
  #context: MenuContext = NOTHING_SELECTED;
  #shown = '';

  constructor(private readonly run: (command: MenuCommand) => void) {}

  update(context: MenuContext): void {
    this.#context = context;
    // Rebuilding closes an open menu, so it is done only when an item would look different.
    const key = JSON.stringify(context);
    if (key === this.#shown) return;
    this.#shown = key;
    Menu.setApplicationMenu(Menu.buildFromTemplate(this.#template()));
  }

  #item(
    label: string,
    command: MenuCommand,
    options: Pick<MenuItemConstructorOptions, 'accelerator' | 'enabled' | 'type' | 'checked'> = {},
  ): MenuItemConstructorOptions {
    return { id: command, label, click: () => this.run(command), ...options };
  }

  #template(): MenuItemConstructorOptions[] {
    const { state, tab, scale, tasks, anyRunning, anyStartable } = this.#context;
    const selected = state !== null;
    const live = state === 'running' || state === 'paused';
    const startable = state === 'shutoff' || state === 'crashed' || state === 'saved';
    const separator: MenuItemConstructorOptions = { type: 'separator' };
    const functionKeys = Array.from({ length: 12 }, (_unused, index) =>
      this.#item(`Ctrl+Alt+F${index + 1}`, `send-key:ctrl-alt-f${index + 1}`, { enabled: live }),
    );
    return [
      ...(process.platform === 'darwin' ? [{ role: 'appMenu' as const }] : []),
      {
        label: '&File',
        submenu: [
          this.#item('&New Virtual Machine…', 'new-vm', { accelerator: 'CmdOrCtrl+N' }),
          this.#item('&Import Configuration…', 'import'),
          separator,
          this.#item('&Preferences…', 'preferences', { accelerator: 'CmdOrCtrl+,' }),
          separator,
          this.#item('&Quit', 'quit', { accelerator: 'CmdOrCtrl+Q' }),
        ],
      },
      {
        label: '&Edit',
        submenu: [
          { role: 'undo' },
          { role: 'redo' },
          separator,
          { role: 'cut' },
          { role: 'copy' },
          { role: 'paste' },
          { role: 'selectAll' },
          separator,
          this.#item('&Find…', 'find', { accelerator: 'CmdOrCtrl+F' }),
        ],
      },
      {
        label: '&View',
        submenu: [
          this.#item('&Host', 'view-host', { accelerator: 'Alt+Home' }),
          this.#item('S&torage', 'view-storage'),
          this.#item('&Networks', 'view-networks'),
          this.#item('T&rash', 'view-trash'),
          separator,
          this.#item('&Overview', 'view-overview', {
            enabled: selected,
            type: 'radio',
            checked: tab === 'overview',
            accelerator: 'CmdOrCtrl+1',
          }),
          this.#item('&Console', 'view-console', {
            enabled: selected,
            type: 'radio',
            checked: tab === 'console',
            accelerator: 'CmdOrCtrl+2',
          }),
          this.#item('&Hardware', 'view-hardware', {
            enabled: selected,
            type: 'radio',
            checked: tab === 'hardware',
            accelerator: 'CmdOrCtrl+3',
          }),
          this.#item('&Serial', 'view-serial', {
            enabled: selected,
            type: 'radio',
            checked: tab === 'serial',
            accelerator: 'CmdOrCtrl+4',
          }),
          this.#item('&Performance', 'view-performance', {
            enabled: selected,
            type: 'radio',
            checked: tab === 'performance',
            accelerator: 'CmdOrCtrl+5',
          }),
          separator,
          {
            label: 'Scale &Display',
            submenu: [
              this.#item('&Fit', 'scale-fit', { type: 'radio', checked: scale === 'fit' }),
              this.#item('&1:1', 'scale-actual', { type: 'radio', checked: scale === 'actual' }),
            ],
          },
          this.#item('Full &Screen', 'full-screen', { accelerator: 'F11' }),
          this.#item('&Tasks', 'toggle-tasks', {
            type: 'checkbox',
            checked: tasks,
            accelerator: 'CmdOrCtrl+J',
          }),
          separator,
          { role: 'resetZoom' },
          { role: 'zoomIn' },
          { role: 'zoomOut' },
          ...(app.isPackaged ? [] : [separator, { role: 'toggleDevTools' as const }]),
        ],
      },
      {
        label: '&Virtual Machine',
        submenu: [
          this.#item('Open &Console', 'view-console', { enabled: selected }),
          this.#item('Se&ttings', 'view-hardware', { enabled: selected }),
          separator,
          this.#item('&Start', 'start', { enabled: startable, accelerator: 'CmdOrCtrl+R' }),
          state === 'paused'
            ? this.#item('&Resume', 'resume', { accelerator: 'CmdOrCtrl+P' })
            : this.#item('&Pause', 'pause', {
                enabled: state === 'running',
                accelerator: 'CmdOrCtrl+P',
              }),
          this.#item('Shut &Down', 'shut-down', { enabled: live }),
          this.#item('&Reboot', 'reboot', { enabled: live }),
          this.#item('Force R&eset', 'reset', { enabled: live }),
          this.#item('&Force Off', 'force-off', { enabled: live }),
          separator,
          this.#item('&Take Screenshot…', 'screenshot', { enabled: live }),
          this.#item('Cop&y Screenshot', 'copy-screenshot', { enabled: live }),
          separator,
          this.#item('De&lete…', 'delete', { enabled: selected }),
        ],
      },
      {
        label: '&Send Key',
        submenu: [
          this.#item('Ctrl+Alt+&Del', 'send-key:ctrl-alt-delete', { enabled: live }),
          this.#item('Ctrl+Alt+&Backspace', 'send-key:ctrl-alt-backspace', { enabled: live }),
          separator,
          ...functionKeys,
          separator,
          this.#item('&Print Screen', 'send-key:print', { enabled: live }),
          this.#item('&Escape', 'send-key:escape', { enabled: live }),
          this.#item('SysRq+&H (help)', 'send-key:sysrq-h', { enabled: live }),
          separator,
          this.#item('&Type Clipboard', 'type-clipboard', {
            enabled: live,
            accelerator: 'CmdOrCtrl+Shift+V',
          }),
        ],
      },
      {
        label: 'H&ost',
        submenu: [
          this.#item('&Start All', 'start-all', { enabled: anyStartable }),
          this.#item('Shut &Down All', 'shut-down-all', { enabled: anyRunning }),
        ],
      },
      {
        label: '&Help',
        submenu: [
          this.#item('Keyboard &Shortcuts', 'shortcuts', { accelerator: 'CmdOrCtrl+/' }),
          this.#item('&Problems', 'problems'),
          separator,
          this.#item('&About Domus', 'about'),
        ],
      },
    ];
  }
}
