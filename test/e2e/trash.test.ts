import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Locator } from 'playwright-core';
import type { DomusBridge, TrashEntry } from '../../core/api';
import { MainWindow } from './pages/main-window';
import { DomusApp } from './support/app';
import { looks } from './support/looks';
import { createTiny } from './support/tiny';

let app: DomusApp;
let window: MainWindow;

beforeAll(async () => {
  app = await DomusApp.launch({ preferences: { theme: 'light', openConsoleOnStart: false } });
  window = new MainWindow(app.page);
});
afterAll(() => app?.dispose());

function trashed(): Promise<TrashEntry[]> {
  return app.page.evaluate(async () => {
    const { domus } = globalThis as unknown as { domus: DomusBridge };
    const reply = await domus.call('trash/list', {});
    if (!reply.ok) throw new Error(reply.error.message);
    return reply.value;
  });
}
function row(name: string): Locator {
  return app.page.locator(`[data-test="trashed-${name}"]`);
}

async function deleteSelected(name: string, withDisk: boolean): Promise<void> {
  await window.select(name);
  await window.toolbar('delete').click();
  if (withDisk) await app.page.locator('[data-test="delete-disk-hda"]').click();
  await app.page.locator('[data-test="delete-confirm"]').click();
  await window.treeItem(name).waitFor({ state: 'detached' });
}

it('what was deleted is had back with Undo in the notice, disk and all', async () => {
  const image = await createTiny(app, 'a', { start: false });
  const before = (await app.domain('a')).config;
  const bytes = readFileSync(image);
  await deleteSelected('a', true);
  expect(existsSync(image)).toBe(false);
  expect(await trashed()).toMatchObject([{ name: 'a', images: [{ path: image }] }]);
  await window.notification('“a” is in the trash.').getByRole('button', { name: 'Undo' }).click();
  await window.treeItem('a').waitFor();
  await window.waitForState('Shut off');
  expect((await app.domain('a')).config).toEqual(before);
  expect(readFileSync(image).equals(bytes)).toBe(true);
  expect(await trashed()).toEqual([]);
  await window.toolbar('start').click();
  await window.waitForState('Running');
  await window.power('force-off');
  await window.confirm();
  await window.waitForState('Shut off');
});

it('the trash lists, restores under another name, deletes for good and is emptied', async () => {
  const { page } = app;
  await window.place('trash');
  await page.locator('[data-test="trash-nothing"]').waitFor();
  expect(await looks(app, 'trash-empty')).toEqual([]);

  const image = (await app.domain('a')).config.disk[0]?.target ?? '';
  await deleteSelected('a', true);
  const kept = await createTiny(app, 'kept', { start: false });
  await deleteSelected('kept', false);
  await window.place('trash');
  await row('a').waitFor();
  expect(await row('a').innerText()).toMatch(/just now|minutes? ago/);
  expect(await row('a').innerText()).toContain('a.img');
  expect(await row('kept').innerText()).toContain('kept.img (left where it is)');
  expect(await looks(app, 'trash')).toEqual([]);

  // The name is taken meanwhile, and the file, too.
  await createTiny(app, 'a', { start: false });
  await window.place('trash');
  await row('a').locator('[data-test="trash-restore"]').click();
  await page.getByRole('dialog', { name: 'Restore' }).getByText('as “a-2”').waitFor();
  await window.confirm();
  await window.notification('there is another file').waitFor();
  expect((await trashed()).map(({ name }) => name).sort()).toEqual(['a', 'kept']);
  await deleteSelected('a', true);
  await window.place('trash');
  await expect.poll(() => row('a').count()).toBe(2);
  expect(existsSync(image)).toBe(false);

  await row('a').first().locator('[data-test="trash-delete"]').click();
  await page.getByRole('dialog', { name: 'Delete for good' }).waitFor();
  await window.confirm();
  await expect.poll(() => row('a').count()).toBe(1);

  // Another one of that name, with no disk: now there is room for the file.
  writeFileSync(join(app.home, 'none.cfg'), 'name = "a"\nmemory = 32\n');
  await app.chooseInDialogs(join(app.home, 'none.cfg'));
  await app.menu('import');
  await window.treeItem('a').waitFor();
  await window.place('trash');
  await row('a').locator('[data-test="trash-restore"]').click();
  await window.confirm();
  await window.treeItem('a-2').waitFor();
  expect((await app.domain('a-2')).config.disk).toMatchObject([{ target: image }]);
  expect(existsSync(image)).toBe(true);

  await window.place('trash');
  await page.locator('[data-test="trash-empty"]').click();
  await page.getByRole('dialog', { name: 'Empty the trash' }).waitFor();
  await window.confirm();
  await page.locator('[data-test="trash-nothing"]').waitFor();
  expect(await trashed()).toEqual([]);
  expect(existsSync(kept)).toBe(true);
  expect(app.complaints).toEqual([]);
});
