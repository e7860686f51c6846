import { join } from 'node:path';
import { app, dialog } from 'electron';
import type { AppInfo, MenuCommand } from '../../core/api';
import { IpcServer } from './ipc/server';
import { appInfo, serveDesktop } from './modules/desktop';
import { Files } from './modules/files';
import { MenuBar } from './modules/menu';
import { APP_ORIGIN, registerAppScheme, serveApp } from './modules/origin';
import { denyPermissions } from './modules/permissions';
import { PreferencesStore } from './modules/preferences';
import { Quit } from './modules/quit';
import { ensureSingleInstance } from './modules/single-instance';
import { startToolstack } from './modules/toolstack';
import { ToolstackCalls } from './modules/toolstack-calls';
import { VncBridge } from './modules/vnc';
import { MainWindow } from './modules/window';

app.setName('Domus');
// As root Chromium has no sandbox to offer and is told so on the command line; for everybody else it is on everywhere.
if (!app.commandLine.hasSwitch('no-sandbox')) app.enableSandbox();
registerAppScheme();

async function run(): Promise<void> {
  const dist = join(app.getAppPath(), 'dist');
  await app.whenReady();
  denyPermissions();
  await serveApp(join(dist, 'renderer'));

  const preferences = new PreferencesStore();
  await preferences.load();
  const toolstack = await startToolstack(dist);
  const info = (): AppInfo => appInfo(toolstack.dataFolder, toolstack.socket);

  const window: MainWindow = new MainWindow({
    preload: join(dist, 'electron', 'preload.cjs'),
    mayClose: () => quit.mayClose(),
  });
  showWindow = (): void => void window.show();
  const ipc = new IpcServer(APP_ORIGIN, (contents) => contents === window.current?.webContents);
  const quit = new Quit(toolstack.client, window);
  const menu = new MenuBar((command: MenuCommand) => {
    if (command === 'quit') app.quit();
    else window.send('menu/command', command);
  });

  const files = new Files(window);
  await files.load();
  files.serve(ipc);
  // Where new disks go.
  files.grantFolderOf(join(toolstack.dataFolder, 'images', 'any'));
  preferences.serve(ipc, (value) => window.send('preferences/changed', value));
  const calls = new ToolstackCalls(toolstack.client, files, window);
  calls.serve(ipc);
  const { problem } = toolstack.socket;
  if (problem !== null)
    calls.notice({
      type: 'notice',
      level: 'warn',
      domain: null,
      message: `the domus command cannot reach this app: ${problem}`,
    });
  const vnc = new VncBridge((domain) => toolstack.client.call('domain/get', { domain }));
  vnc.serve(ipc);
  serveDesktop(ipc, window, info);
  ipc.handle('menu/context', (context) => {
    menu.update(context);
    return null;
  });
  await quit.start(ipc, async () => {
    vnc.closeAll();
    await toolstack.close();
  });
  menu.update({
    state: null,
    tab: null,
    scale: 'fit',
    tasks: preferences.value.showTasks,
    anyRunning: false,
    anyStartable: false,
  });
  await window.show();
}

let showWindow: () => void = () => undefined;
app.on('activate', () => showWindow());

if (ensureSingleInstance(() => showWindow())) {
  run().catch((error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`Domus cannot start: ${message}\n`);
    dialog.showErrorBox('Domus cannot start', message);
    app.exit(1);
  });
} else {
  process.stdout.write('Domus is already running; its window was brought to the front.\n');
  app.quit();
}
