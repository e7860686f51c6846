import { copyFileSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { guest } from '../../build/guests.mjs';
import { MainWindow } from './pages/main-window';
import { Wizard } from './pages/wizard';
import { DomusApp } from './support/app';
import { looks } from './support/looks';

const PASSWORD = 'correct-horse-battery';

let app: DomusApp;
beforeAll(async () => {
  app = await DomusApp.launch({ preferences: { theme: 'light' } });
});
afterAll(() => app?.dispose());

/** Everything the app has written, as text. */
function written(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile() && statSync(path).size < 1 << 20)
    .map((path) => readFileSync(path, 'latin1'));
}

it('an installation without questions: answers shown before use, passwords only as hashes', async () => {
  const window = new MainWindow(app.page);
  const wizard = new Wizard(app);
  const { dialog } = wizard;
  const fold = dialog.locator('[data-test="fold-Install unattended"]');
  await wizard.open();
  // Nothing to answer without an installer, or with one whose answers are not known.
  expect(await fold.count()).toBe(0);
  await wizard.chooseIso(await guest('grub-rescue.iso'));
  expect(await fold.count()).toBe(0);

  const iso = join(app.home, 'debian.iso');
  copyFileSync(await guest('debian-netboot.iso'), iso);
  await app.chooseInDialogs(iso);
  await dialog.getByRole('button', { name: 'Change…' }).click();
  await fold.waitFor();
  await wizard.name.fill('left_alone');
  await fold.click();
  expect(await dialog.locator('[data-test="fold-Direct kernel boot"]').count()).toBe(0);
  expect(await dialog.locator('#new-host').inputValue()).toBe('left-alone');

  // Somebody has to be able to log in.
  await wizard.create();
  await wizard.error('User').waitFor();
  await dialog.locator('#new-user').fill('Maria');
  expect(await wizard.error('User').innerText()).toContain('lower-case');
  await dialog.locator('#new-user').fill('maria');
  await dialog.locator('#new-user-password').fill(PASSWORD);
  await dialog.locator('#new-locale').fill('de_AT.UTF-8');
  await dialog.locator('#new-keyboard').fill('de');
  await dialog.locator('#new-zone').fill('Europe/Vienna');
  const answers = dialog.locator('[data-test="new-answers"]');
  await expect.poll(() => answers.innerText()).toContain('d-i time/zone string Europe/Vienna');
  const text = await answers.innerText();
  expect(text).toContain('d-i netcfg/get_hostname string left-alone');
  expect(text).toContain('d-i passwd/username string maria');
  expect(text).toMatch(/d-i passwd\/user-password-crypted password \$6\$\S{80,}/);
  expect(text).not.toContain(PASSWORD);
  await answers.scrollIntoViewIfNeeded();
  expect(await looks(app, 'wizard-unattended')).toEqual([]);

  await wizard.diskMode('None');
  await wizard.create();
  await wizard.error('Disk').waitFor();
  await wizard.diskMode('New');
  await wizard.create();
  await wizard.closed();
  await window.treeItem('left_alone').waitFor();
  const { config } = await app.domain('left_alone');
  const made = (part: string): string => join(app.dataFolder, 'install', `${config.uuid}-${part}`);
  expect(config).toMatchObject({ install: true, kernel: made('linux'), ramdisk: made('initrd') });
  expect(config.extra).toContain('auto=true priority=critical');
  expect(config.disk.map(({ cdrom, target }) => [cdrom, target])).toEqual([
    [false, join(app.dataFolder, 'images', 'left_alone.img')],
    [true, iso],
  ]);
  // What was shown is what the installer finds, behind the ramdisk of its CD.
  const ramdisk = readFileSync(made('initrd'), 'latin1');
  expect(ramdisk).toContain(text.trim());
  for (const file of [...written(app.dataFolder), ramdisk])
    expect(file.includes(PASSWORD)).toBe(false);

  // It goes to the trash with all that, and away with it.
  await window.toolbar('delete').click();
  await app.page.locator('[data-test="delete-disk-hda"]').click();
  await app.page.locator('[data-test="delete-confirm"]').click();
  await window.treeItem('left_alone').waitFor({ state: 'detached' });
  expect(existsSync(made('linux'))).toBe(true);
  await window.place('trash');
  await app.page.locator('[data-test="trash-empty"]').click();
  await window.confirm();
  await app.page.locator('[data-test="trash-nothing"]').waitFor();
  expect(existsSync(made('linux'))).toBe(false);
  expect(app.complaints).toEqual([]);
});
