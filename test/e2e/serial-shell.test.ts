import { afterAll, beforeAll, expect, it } from 'vitest';
import { BUSYBOX_MARKER, guest } from '../../build/guests.mjs';
import { MainWindow } from './pages/main-window';
import { SerialPage } from './pages/serial';
import { Wizard } from './pages/wizard';
import { DomusApp } from './support/app';

const BOOT_MS = 240_000;

/** The Debian kernel on the serial console with a BusyBox shell, made and used through the window. */
let app: DomusApp;
beforeAll(async () => {
  app = await DomusApp.launch();
});
afterAll(() => app?.dispose());

it('boots a kernel directly, shows its log on the serial tab and takes input in its shell', async () => {
  const window = new MainWindow(app.page);
  const serial = new SerialPage(app);
  const wizard = new Wizard(app);
  await wizard.open();
  await wizard.directBoot(
    await guest('debian-amd64-linux'),
    await guest('busybox-initrd.gz'),
    'console=ttyS0',
  );
  await wizard.diskMode('None');
  await wizard.name.fill('shell');
  await wizard.memory.fill('512');
  await wizard.createAndStart();
  await wizard.closed();
  await window.waitForState('Running');
  await window.tab('serial');
  await serial.shows(BUSYBOX_MARKER, BOOT_MS);
  // The kernel's first line has left the view long since; it is found where a person looks for it.
  expect(await serial.find('Linux version 6.1')).toMatch(/^1 of \d+$/);
  await serial.shows('Linux version 6.1');
  await serial.type('echo $((6 * 7)) domus\n');
  await serial.shows('42 domus');
});
