import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Locator } from 'playwright-core';
import { guest } from '../../build/guests.mjs';
import type { DomusBridge, NetworkConfig } from '../../core/api';
import { MainWindow } from './pages/main-window';
import { DomusApp } from './support/app';
import { looks } from './support/looks';
import { createTiny } from './support/tiny';

const PCAPNG_MAGIC = '0a0d0d0a';

let app: DomusApp;
let window: MainWindow;

beforeAll(async () => {
  app = await DomusApp.launch({ preferences: { theme: 'light', openConsoleOnStart: false } });
  window = new MainWindow(app.page);
});
afterAll(() => app?.dispose());

function row(name: string): Locator {
  return app.page.locator(`[data-test="image-${name}"]`);
}

async function choose(name: string, entry: string): Promise<void> {
  await row(name)
    .getByRole('button', { name: `Acts on ${name}` })
    .click();
  await app.page.locator(`[role="menu"] [data-id="${entry}"]`).click();
}

it('storage: who uses what, orphans, enlarge, compact, check and delete', async () => {
  const { page } = app;
  await createTiny(app, 'a', { start: false });
  const folder = join(app.home, 'isos');
  mkdirSync(folder);
  copyFileSync(await guest('memtest.iso'), join(folder, 'memtest.iso'));
  // Left by nobody: 4 MiB of which one is not zeros, so that a copy takes less.
  const own = join(app.dataFolder, 'images');
  mkdirSync(own, { recursive: true });
  const orphan = join(own, 'orphan.img');
  writeFileSync(orphan, Buffer.concat([Buffer.alloc(1 << 20, 1), Buffer.alloc(3 << 20)]));
  writeFileSync(join(own, 'broken.qcow2'), Buffer.alloc(4096, 7));

  await page.locator('[data-test="tree-storage"]').click();
  await row('a.img').waitFor();
  await expect.poll(() => row('a.img').innerText()).toContain('a (hda)');
  expect(await row('orphan.img').innerText()).toContain('no machine');
  await expect.poll(() => row('broken.qcow2').innerText()).toMatch(/not a qcow2|magic|no qcow2/i);
  await app.chooseInDialogs(folder);
  await page.locator('[data-test="storage-add"]').click();
  await row('memtest.iso').waitFor();
  expect(await looks(app, 'storage')).toEqual([]);

  await choose('orphan.img', 'compact');
  await expect.poll(() => statSync(orphan).blocks * 512).toBeLessThan(2 << 20);
  const bytes = readFileSync(orphan);
  expect(bytes.length).toBe(4 << 20);
  expect(bytes.subarray(0, 1 << 20).every((byte) => byte === 1)).toBe(true);
  expect(bytes.subarray(1 << 20).every((byte) => byte === 0)).toBe(true);

  await choose('orphan.img', 'grow');
  const dialog = page.getByRole('dialog', { name: 'Enlarge disk' });
  await dialog.locator('#grow-size').fill('2');
  await dialog.locator('#grow-size').press('Tab');
  await dialog.locator('[data-test="grow-confirm"]').click();
  await expect.poll(() => statSync(orphan).size).toBe(2 * 2 ** 30);
  await expect.poll(() => row('orphan.img').innerText()).toContain('2 GiB');

  await choose('a.img', 'check');
  await page.locator('.el-notification', { hasText: 'Nothing is wrong with it.' }).waitFor();
  await choose('orphan.img', 'delete');
  await window.confirm();
  await expect.poll(() => existsSync(orphan)).toBe(false);
  await row('orphan.img').waitFor({ state: 'detached' });
  const deleted = window.notification('“orphan.img” is in the trash.');
  await deleted.getByRole('button', { name: 'Undo' }).click();
  await row('orphan.img').waitFor();
  expect(statSync(orphan).size).toBe(2 * 2 ** 30);

  // A disk that a machine has is not to be deleted, one that runs not to be changed.
  await window.select('a');
  await window.toolbar('start').click();
  await window.waitForState('Running');
  await page.locator('[data-test="tree-storage"]').click();
  await row('a.img').getByRole('button', { name: 'Acts on a.img' }).click();
  for (const act of ['grow', 'compact', 'check', 'delete'])
    expect(
      await page.locator(`[role="menu"] [data-id="${act}"]`).getAttribute('aria-disabled'),
    ).toBe('true');
  await page.keyboard.press('Escape');
  // The window cannot do what its menu does not offer, either.
  const image = (await app.domain('a')).config.disk[0]?.target ?? '';
  const refused = await page.evaluate(async (path) => {
    const { domus } = globalThis as unknown as { domus: DomusBridge };
    const grown = await domus.call('image/grow', {
      path,
      format: 'raw',
      sizeBytes: 8 << 20,
    });
    const gone = await domus.call('image/delete', { path });
    return [grown, gone].map((reply) => (reply.ok ? 'done' : reply.error.code));
  }, image);
  expect(refused).toEqual(['IMAGE_IN_USE', 'IMAGE_IN_USE']);
  expect(app.complaints).toEqual([]);
});

it('networks: rules, cards, forwards for the next start, what guests boot from, a capture to a file', async () => {
  const { page } = app;
  await page.locator('[data-test="tree-networks"]').click();
  const nat = page.locator('[data-test="network-nat"]');
  const card = nat.locator('[data-test="card-a"]');
  await card.waitFor();
  expect(await nat.innerText()).toContain('Denied: this computer itself (loopback)');
  await card.locator('[data-test="forward-host"] input').fill('0');
  await card.locator('[data-test="forward-guest"] input').fill('22');
  await card.locator('[data-test="forward-guest"] input').press('Tab');
  await card.locator('[data-test="forward-add"]').click();
  await expect
    .poll(async () => (await app.domain('a')).config.vif[0]?.forwards)
    .toEqual([
      { protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 0, guestAddress: '', guestPort: 22 },
    ]);
  const boot = join(app.home, 'tftp');
  mkdirSync(boot);
  await app.chooseInDialogs(boot);
  await nat.locator('[data-test="browse-folder"]').click();
  await nat.locator('[data-test="boot-file-nat"]').fill('pxelinux.0');
  await nat.locator('[data-test="boot-file-nat"]').press('Tab');
  const stored = join(app.dataFolder, 'networks/nat.json');
  await expect
    .poll(
      () => existsSync(stored) && (JSON.parse(readFileSync(stored, 'utf8')) as NetworkConfig).boot,
    )
    .toEqual({ folder: boot, file: 'pxelinux.0' });
  const capture = join(app.home, 'a.pcapng');
  await app.chooseInDialogs(capture);
  await card.locator('[data-test="capture"]', { hasText: 'Capture' }).click();
  await card.locator('[data-test="capturing"]').waitFor();
  expect(await looks(app, 'networks')).toEqual([]);
  await card.locator('[data-test="capture"]', { hasText: 'Stop' }).click();
  await card.locator('[data-test="capturing"]').waitFor({ state: 'detached' });
  expect(readFileSync(capture).subarray(0, 4).toString('hex')).toBe(PCAPNG_MAGIC);
  await card.locator('[data-test="forward-remove"]').click();
  await expect.poll(async () => (await app.domain('a')).config.vif[0]?.forwards).toEqual([]);
  expect(app.complaints).toEqual([]);
});
