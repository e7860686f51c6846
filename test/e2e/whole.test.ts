/**
 * The whole by clicks: an installer's CD in the wizard, a system that installs itself, the boot order that flips, the
 * start from the disk, a login on the screen and on the serial port; and the pages about all this tell the truth.
 */
import { copyFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { guest } from '../../build/guests.mjs';
import { ConsolePage } from './pages/console';
import { HardwarePage } from './pages/hardware';
import { MainWindow } from './pages/main-window';
import { SerialPage } from './pages/serial';
import { Wizard } from './pages/wizard';
import { DomusApp } from './support/app';
import { showsText } from './support/screen-text';

const INSTALL_MS = 300_000;
const BOOT_MS = 240_000;
/** Of VGA text mode 3, as the screen shows it. */
const TEXT_CELL = { width: 9, height: 16 };
/** Between two keys: a fast typist's. */
const TYPING_MS = 40;

let app: DomusApp;
let window: MainWindow;
beforeAll(async () => {
  app = await DomusApp.launch({ preferences: { theme: 'light' } });
  window = new MainWindow(app.page);
});
afterAll(() => app?.dispose());

it(
  'a system installs itself, starts from its disk and is logged in to; disk, network and hardware are shown as they are',
  { timeout: INSTALL_MS + BOOT_MS },
  async () => {
    const { page } = app;
    const wizard = new Wizard(app);
    const screen = new ConsolePage(app);
    const serial = new SerialPage(app);
    const iso = join(app.home, 'small-installer.iso');
    copyFileSync(await guest('small-installer.iso'), iso);

    await wizard.open();
    await wizard.chooseIso(iso);
    await wizard.name.fill('small');
    await wizard.memory.fill('192');
    await wizard.memory.press('Tab');
    await wizard.dialog.locator('[data-test="new-disk"] input').fill('1');
    await wizard.dialog.locator('[data-test="new-disk"] input').press('Tab');
    await wizard.createAndStart();
    await wizard.closed();
    await window.waitForState('Running');
    await screen.connected();
    expect((await app.domain('small')).config).toMatchObject({ boot: 'dc', install: true });

    // The CD starts, installs and reboots; nobody is asked anything, and the user is told.
    const notice = window.notification('it now starts from its disk; the CD was ejected');
    await notice.waitFor({ timeout: INSTALL_MS });
    const disk = (await app.domain('small')).config.disk[0]?.target ?? '';
    await app.until('the second start', async () => {
      const { domid, machine } = await app.domain('small');
      return domid === 2 && machine !== undefined;
    });
    const { config, machine } = await app.domain('small');
    expect(config.boot).toBe('cd');
    expect(config.install).toBeUndefined();
    for (const made of [config, machine])
      expect(made?.disk.map(({ cdrom, target }) => [cdrom, target])).toEqual([
        [false, disk],
        [true, ''],
      ]);

    // The serial port: a wrong password first, then in.
    await window.tab('serial');
    await serial.shows('SMALL-SYSTEM start 1', BOOT_MS);
    await serial.shows('small login:', BOOT_MS);
    await serial.type('root\n');
    await serial.shows('Password:');
    await serial.type('wrong\n');
    await serial.shows('Login incorrect');
    await app.until(
      'a second question',
      async () => (await serial.text()).split('small login:').length === 3,
    );
    await serial.type('root\n');
    await app.until(
      'a second password question',
      async () => (await serial.text()).split('Password:').length === 3,
    );
    await serial.type('domus\n');
    await serial.shows('~ #');
    await serial.type('cat /proc/cmdline; ls /sys/class/net; ifconfig eth0 | grep inet\n');
    await serial.shows('root=/dev/sda1');
    await serial.shows('inet addr:');
    const address = /inet addr:(\d+\.\d+\.\d+\.\d+)/.exec(await serial.text())?.[1] ?? '';
    expect(address).toMatch(/^10\.0\.2\.\d+$/);

    // The screen: the same with the keyboard, in the VNC tab.
    await window.tab('console');
    await screen.connected();
    const screenShows = (text: string): Promise<void> =>
      app.until(`“${text}” on the screen`, async () =>
        (await app.screenText('small')).includes(text),
      );
    await screenShows('small login:');
    await screen.focus();
    const type = (line: string): Promise<void> =>
      page.keyboard.type(`${line}\n`, { delay: TYPING_MS });
    await type('root');
    await screenShows('Password:');
    await type('domus');
    await screenShows('~ #');
    await type('touch /mnt/written-on-the-screen; sync; ls /mnt/written-on-the-screen');
    await screenShows('\n/mnt/written-on-the-screen');
    await app.until('it painted in the VNC tab', async () =>
      showsText(await screen.pixels(), '/mnt/written-on-the-screen', TEXT_CELL),
    );

    // Storage: the disk's size, what the installed system takes of it, and whose it is.
    await window.place('storage');
    const row = page.locator('[data-test="image-small.img"]');
    await row.waitFor();
    const cells = await row.locator('td').allInnerTexts();
    expect(cells.slice(1, 3)).toEqual(['raw', '1 GiB']);
    const takenMiB = (statSync(disk).blocks * 512) / (1 << 20);
    expect(takenMiB).toBeGreaterThan(8);
    expect(takenMiB).toBeLessThan(200);
    expect(cells[3]).toMatch(/ MiB$/);
    expect(Math.abs(parseFloat(cells[3] ?? '') - takenMiB)).toBeLessThan(1);
    expect(cells[4]).toContain('small (hda)');
    // The CD has no user any more.
    expect(await page.locator('[data-test="image-small-installer.iso"]').count()).toBe(0);

    // Networks and Overview: the address the guest says it has.
    await window.place('networks');
    const card = page.locator('[data-test="network-nat"] [data-test="card-small"]');
    await expect.poll(() => card.locator('[data-test="lease"]').innerText()).toContain(address);
    expect(await card.innerText()).toContain('e1000');
    await window.select('small');
    await window.tab('overview');
    await expect.poll(() => page.locator('#vm-panel').innerText()).toContain(address);

    const hardware = new HardwarePage(page);
    await hardware.open();
    await hardware.choose('disk:hda');
    expect(await hardware.tab.innerText()).toContain(disk);
    await hardware.choose('cd:hdc');
    expect(await hardware.tab.innerText()).toContain('The drive is empty.');
    await hardware.choose('nic:0');
    await expect.poll(() => hardware.tab.innerText()).toContain(address);
    await hardware.choose('boot');
    const devices = hardware.tab.getByRole('list', { name: 'Devices in the order they are tried' });
    expect((await devices.innerText()).split('\n')).toEqual(['Hard disk', 'CD-ROM', 'Network']);

    await window.tab('serial');
    await serial.type('kill -USR2 1\n');
    await window.waitForState('Shut off', BOOT_MS);
    expect(app.complaints).toEqual([]);
  },
);
