import { afterAll, beforeAll, expect, it } from 'vitest';
import { BUSYBOX_MARKER, guest } from '../../build/guests.mjs';
import { MainWindow } from './pages/main-window';
import { SerialPage } from './pages/serial';
import { Wizard } from './pages/wizard';
import { DomusApp } from './support/app';
import { measure, type Role, type Usage } from './support/processes';

const BOOT_MS = 240_000;
const MEASURE_MS = 8_000;
/** Boot work that ends a little after the prompt, in the guest and in the page. */
const SETTLE_MS = 2_500;

/**
 * What the app and a guest cost when nothing is done with them. Processor time, not wall time, so that other work on
 * the machine hardly shows; the bars leave room for what does, and the figures are printed.
 */
const GUEST_BAR = 0.03;
/** With somebody looking at its screen. */
const SEEN_GUEST_BAR = 0.06;
const APP_BAR = 0.05;
/** Cursors blink and graphs move; without a GPU, as here, each time is a repaint in software. */
const MOVING_APP_BAR = 0.12;

/** The Debian kernel on the serial console with a BusyBox shell, made and used through the window, then left alone. */
let app: DomusApp;
let window: MainWindow;
beforeAll(async () => {
  app = await DomusApp.launch();
  window = new MainWindow(app.page);
});
afterAll(() => app?.dispose());

async function idle(what: string): Promise<Record<Role, Usage>> {
  await app.page.waitForTimeout(SETTLE_MS);
  const usage = await measure(app.pid, MEASURE_MS);
  const figures = Object.entries(usage)
    .filter(([, { processes }]) => processes > 0)
    .map(
      ([role, { cpu, rssMiB, pssMiB }]) =>
        `${role} ${(cpu * 100).toFixed(1)} % ${rssMiB.toFixed(0)}/${pssMiB.toFixed(0)} MiB`,
    );
  process.stdout.write(`idle: ${what} (CPU of a core, RSS/PSS): ${figures.join(', ')}\n`);
  return usage;
}

function appShare(usage: Record<Role, Usage>): number {
  return usage.main.cpu + usage.page.cpu + usage.gpu.cpu + usage.helper.cpu;
}

it('uses next to nothing without virtual machines', async () => {
  expect(appShare(await idle('app alone'))).toBeLessThan(APP_BAR);
});

it('boots a kernel directly, shows its log on the serial tab and takes input in its shell', async () => {
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

it.each(['serial', 'console', 'overview'] as const)(
  'uses next to nothing while the shell waits, %s in view',
  async (view) => {
    await window.tab(view);
    const usage = await idle(`guest at its shell, ${view} in view`);
    expect(usage.domain.processes).toBe(1);
    expect(usage.domain.cpu, 'the guest').toBeLessThan(
      view === 'serial' ? GUEST_BAR : SEEN_GUEST_BAR,
    );
    expect(appShare(usage), 'the app').toBeLessThan(view === 'serial' ? APP_BAR : MOVING_APP_BAR);
  },
);
