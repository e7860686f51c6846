import { copyFileSync, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BUSYBOX_MARKER, guest } from '../../build/guests.mjs';
import type { DomainConfig } from '../../core/api';
import { HardwarePage } from './pages/hardware';
import { MainWindow } from './pages/main-window';
import { SerialPage } from './pages/serial';
import { Wizard } from './pages/wizard';
import { DomusApp } from './support/app';
import { looks } from './support/looks';
import { createTiny } from './support/tiny';

const BOOT_MS = 240_000;

let app: DomusApp;
let window: MainWindow;
let hardware: HardwarePage;

beforeAll(async () => {
  app = await DomusApp.launch({ preferences: { theme: 'light', openConsoleOnStart: false } });
  window = new MainWindow(app.page);
  hardware = new HardwarePage(app.page);
});
afterAll(() => app?.dispose());

async function config(name: string): Promise<DomainConfig> {
  return (await app.domain(name)).config;
}

it('settings of a machine that is off are checked, applied and stored, or taken back', async () => {
  await createTiny(app, 'a', { start: false });
  await hardware.open();
  await hardware.choose('memory');
  await hardware.fill('memory', '4');
  await hardware.apply();
  await hardware.problem.waitFor();
  await expect.poll(() => hardware.tab.innerText()).toContain('Give it at least 16 MiB.');
  expect(await looks(app, 'hardware-wrong')).toEqual([]);
  await hardware.revert();
  await hardware.fill('memory', '96');
  expect(await hardware.badge.innerText()).toBe('not applied');
  await hardware.add('nic');
  await app.page.locator('#hw-model').selectOption('virtio-net');
  await app.page.locator('#hw-bridge').selectOption('isolated');
  await hardware.fill('mac', '00:16:3e:00:00:0');
  await expect.poll(() => hardware.tab.innerText()).toContain('six pairs');
  await hardware.fill('mac', '00:16:3E:00:00:07');
  await hardware.choose('boot');
  await app.page.locator('[data-test="boot-d"]').click();
  await hardware.apply();
  await hardware.settled();
  expect(await config('a')).toMatchObject({
    memory: 96,
    boot: 'cd',
    vif: [{ bridge: 'nat' }, { mac: '00:16:3e:00:00:07', model: 'virtio-net', bridge: 'isolated' }],
  });

  // Reverting gives back what is stored.
  await hardware.choose('nic:1');
  await hardware.remove();
  expect(await hardware.part('nic:1').count()).toBe(0);
  await hardware.revert();
  await hardware.part('nic:1').waitFor();
  expect(await looks(app, 'hardware')).toEqual([]);
});

it('a disk is made, found by the machine, and removed with its image left', async () => {
  await hardware.add('disk');
  const dialog = app.page.getByRole('dialog', { name: 'Add a disk' });
  await dialog.locator('#add-size').fill('3');
  await dialog.locator('#add-size').press('Tab');
  await app.page.waitForTimeout(400);
  expect(await looks(app, 'hardware-add-disk')).toEqual([]);
  await dialog.locator('[data-test="add-disk"]').click();
  await hardware.apply();
  await hardware.settled();
  const path = join(app.dataFolder, 'images', 'a-hdb.qcow2');
  expect((await config('a')).disk[1]).toMatchObject({ vdev: 'hdb', target: path, format: 'qcow2' });
  expect(statSync(path).size).toBeLessThan(1 << 20);

  await window.toolbar('start').click();
  await window.waitForState('Running');
  await hardware.choose('disk:hdb');
  await hardware.remove();
  await hardware.choose('memory');
  await hardware.fill('memory', '64');
  await hardware.apply();
  await hardware.settled();
  expect(await hardware.badge.innerText()).toBe('at next start');
  await expect.poll(() => hardware.tab.innerText()).toContain('Removed: Disk hdb: at next start');
  expect((await app.domain('a')).machine).toMatchObject({ memory: 96 });
  // The cable is live.
  await hardware.choose('nic:0');
  await hardware.tab.locator('[data-test="hw-link"]').click();
  await expect.poll(async () => (await app.domain('a')).machine?.vif[0]?.link).toBe(false);
  await expect.poll(async () => (await config('a')).vif[0]?.link).toBe(false);
  expect(await looks(app, 'hardware-running')).toEqual([]);
  await window.power('force-off');
  await window.confirm();
  await window.waitForState('Shut off');
  expect(await hardware.badge.count()).toBe(0);
  expect(existsSync(path)).toBe(true);
  expect(app.complaints).toEqual([]);
});

it(
  'a CD changes and comes out while Linux reads it; one that it holds is forced',
  { timeout: 600_000 },
  async () => {
    const { page } = app;
    const discs = ['memtest.iso', 'grub-rescue.iso'] as const;
    const [first = '', second = ''] = await Promise.all(
      discs.map(async (name) => {
        const path = join(app.home, name);
        copyFileSync(await guest(name), path);
        return path;
      }),
    );
    /** ECMA-119 8.4: the identifier of the volume is in the first descriptor, sector 16. */
    const volume = (path: string): string =>
      readFileSync(path).subarray(32808, 32840).toString('latin1').trim();
    expect(volume(first)).not.toBe(volume(second));

    const wizard = new Wizard(app);
    const serial = new SerialPage(app);
    await wizard.open();
    await wizard.chooseIso(first);
    await wizard.directBoot(
      await guest('drivers-linux'),
      await guest('drivers-initrd.gz'),
      'console=ttyS0 quiet',
    );
    await wizard.diskMode('None');
    await wizard.name.fill('reader');
    // An image that is a memory tester suggests little.
    await wizard.memory.fill('256');
    await wizard.memory.press('Tab');
    await wizard.createAndStart();
    await wizard.closed();
    await window.waitForState('Running');
    await window.tab('serial');
    await serial.shows(BUSYBOX_MARKER, BOOT_MS);
    const label = "dd if=/dev/sr0 bs=1 skip=32808 count=32 2>&1 | sed 's/^/=/'";
    await serial.type('load ata_piix sr_mod; sleep 3\n');
    await serial.type(`${label}\n`);
    await serial.shows(`=${volume(first)}`);

    const cd = async (entry: string): Promise<void> => {
      await window.tab('console');
      await page.locator('[data-test="cd-menu"]').click();
      await page.locator(`[role="menu"] [data-id="${entry}"]`).click();
    };
    const target = async (): Promise<string | undefined> =>
      (await app.domain('reader')).machine?.disk[0]?.target;
    await app.chooseInDialogs(second);
    await window.tab('console');
    await page.locator('[data-test="cd-menu"]').click();
    await page.waitForTimeout(300);
    expect(
      (await looks(app, 'cd-menu')).filter((rule) => !/region: .*role="menu"/.test(rule)),
    ).toEqual([]);
    await page.keyboard.press('Escape');
    await cd('hdc:browse');
    await expect.poll(target).toBe(second);
    await window.tab('serial');
    await serial.type(`${label}\n`);
    await serial.shows(`=${volume(second)}`);

    // Linux locks the drive while somebody has it open.
    await serial.type('sleep 999 </dev/sr0 & sleep 1; echo held-$((1+1))\n');
    await serial.shows('held-2');
    await cd('hdc:eject');
    const question = page.getByRole('dialog', { name: 'The guest holds the CD' });
    await question.waitFor();
    await page.keyboard.press('Escape');
    expect(await target()).toBe(second);
    await cd('hdc:eject');
    await question.waitFor();
    await window.confirm();
    await expect.poll(target).toBe('');
    expect((await config('reader')).disk[0]?.target).toBe('');
    await window.tab('serial');
    await serial.type(`kill %1; sleep 1; ${label}\n`);
    await serial.shows('No medium found');

    // From the list of those used before; then the guest puts it out itself.
    await cd(`hdc:insert:${first}`);
    await expect.poll(target).toBe(first);
    await window.tab('serial');
    await serial.type('echo 1 >/proc/sys/dev/cdrom/autoeject; true </dev/sr0\n');
    await expect.poll(target).toBe('');
    await window.tab('hardware');
    await hardware.choose('cd:hdc');
    expect(await hardware.badge.innerText()).toBe('live');
    await expect.poll(() => hardware.tab.innerText()).toContain('The drive is empty.');
    expect(await looks(app, 'hardware-cd')).toEqual([]);
    expect(app.complaints).toEqual([]);
  },
);
