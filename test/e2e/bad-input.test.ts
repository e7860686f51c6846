import {
  chmodSync,
  closeSync,
  copyFileSync,
  openSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { guest } from '../../build/guests.mjs';
import { MainWindow } from './pages/main-window';
import { Wizard } from './pages/wizard';
import { DomusApp } from './support/app';
import { createTiny } from './support/tiny';

/** What people get wrong: each gets a plain message where it happened, and loses nothing. */
let app: DomusApp;
let window: MainWindow;
let wizard: Wizard;

beforeAll(async () => {
  app = await DomusApp.launch({ unprivileged: true });
  window = new MainWindow(app.page);
  wizard = new Wizard(app);
});
afterAll(() => app?.dispose());
beforeEach(async () => {
  await app.page.keyboard.press('Escape');
  await wizard.dialog.waitFor({ state: 'hidden' });
  await app.page.evaluate(() => {
    for (const element of document.querySelectorAll<HTMLElement>('.el-notification__closeBtn'))
      element.click();
  });
});

const file = (name: string): string => join(app.home, name);

/** The message under the image in the wizard. */
async function isoMessage(path: string): Promise<string> {
  await wizard.open();
  await wizard.browseIso(path);
  const message = wizard.dialog.locator('[data-test="iso-error"]');
  await message.waitFor();
  return message.innerText();
}

describe('an ISO image', () => {
  it('that is gone is named with the reason', async () => {
    await wizard.open();
    await wizard.browseIso(file('gone.iso'));
    await window.notification('gone.iso').waitFor();
    expect(await window.notification('gone.iso').innerText()).toMatch(/does not exist/);
  });

  it('that is cut off is recognised before it is used', async () => {
    const path = file('cut.iso');
    copyFileSync(await guest('debian-netboot.iso'), path);
    truncateSync(path, 3_000_000);
    expect(await isoMessage(path)).toMatch(/truncated|shorter|incomplete/i);
    expect(await wizard.name.inputValue(), 'the rest of the dialog is still there').not.toBe('');
  });

  it('that is no ISO at all is told apart', async () => {
    const path = file('letter.iso');
    writeFileSync(path, 'Dear administrator,\n'.repeat(4000));
    expect(await isoMessage(path)).toMatch(/^It is not a CD image/);
  });

  it('that may not be read says so', async () => {
    const path = file('secret.iso');
    copyFileSync(await guest('grub-rescue.iso'), path);
    chmodSync(path, 0);
    expect(await isoMessage(path)).toMatch(/permission/i);
    expect(await wizard.name.inputValue(), 'the rest of the dialog is still there').not.toBe('');
  });

  it('that has nothing to boot is told before the start', async () => {
    const path = file('data.iso');
    copyFileSync(await guest('grub-rescue.iso'), path);
    // ECMA-119 8.3: where the boot record was, the set of volume descriptors ends.
    const image = openSync(path, 'r+');
    writeSync(image, Buffer.from('\xffCD001\x01'.padEnd(2048, '\0'), 'latin1'), 0, 2048, 17 * 2048);
    closeSync(image);
    expect(await isoMessage(path)).toMatch(/not bootable/);
    await wizard.diskMode('None');
    await wizard.name.fill('unbootable');
    await wizard.createAndStart();
    const message = window.notification('unbootable');
    await message.waitFor();
    expect(await message.innerText()).toMatch(/nothing to start from.*data\.iso.*not bootable/);
    await app.until(
      'the refusal',
      async () => (await app.domain('unbootable')).state === 'shutoff',
    );
  });
});

describe('the wizard', () => {
  it('says how much memory there is when too much is asked, before anything is made', async () => {
    await wizard.open();
    await wizard.diskMode('None');
    await wizard.memory.fill('9999999');
    await wizard.memory.press('Tab');
    expect(await wizard.memory.inputValue(), 'the field keeps to what one machine can have').toBe(
      '3072',
    );
  });

  it('marks what is missing and stays open', async () => {
    await wizard.open();
    await wizard.diskMode('Existing');
    await wizard.name.fill('two words');
    await wizard.createAndStart();
    expect(await wizard.error('Name').innerText()).toMatch(/no spaces/);
    expect(await wizard.error('Disk').innerText()).toBe('Choose the disk image.');
    expect(await wizard.dialog.locator('[data-test="new-problem"]').innerText()).toMatch(
      /need a change/,
    );
    expect((await app.domains()).map(({ config }) => config.name)).not.toContain('two words');
  });

  it('does not write over a disk that is there', async () => {
    await wizard.open();
    await wizard.name.fill('fresh');
    await wizard.create();
    await wizard.closed();
    const [disk] = (await app.domain('fresh')).config.disk;
    expect(disk?.target).toMatch(/\/fresh\.img$/);
    await window.toolbar('delete').click();
    await app.page.locator('[data-test="delete-confirm"]').click();
    await window.treeItem('fresh').waitFor({ state: 'detached' });
    await wizard.open();
    await wizard.name.fill('fresh');
    await wizard.create();
    await wizard.dialog.locator('[data-test="new-problem"]', { hasText: 'fresh.img' }).waitFor();
    expect((await app.domains()).map(({ config }) => config.name)).not.toContain('fresh');
  });
});

describe('a configuration file', () => {
  async function importText(name: string, text: string): Promise<void> {
    writeFileSync(file(name), text);
    await app.chooseInDialogs(file(name));
    await app.menu('import');
  }

  it('with a mistake is refused with file, line and column', async () => {
    await importText('broken.cfg', 'name = "broken"\nmemory = \nvcpus = 1\n');
    const message = window.notification('Import configuration');
    await message.waitFor();
    expect(await message.innerText()).toMatch(/broken\.cfg, line [23], column \d+/);
    await expect(app.domain('broken')).rejects.toThrow('no virtual machine');
  });

  it('is asked about before the files it names are used', async () => {
    const text = `name = "imported"\nmemory = 64\nkernel = "${await guest('debian-amd64-linux')}"\nextra = "console=ttyS0"\n`;
    await app.answerQuestions(1);
    await importText('good.cfg', text);
    await app.page.waitForTimeout(500);
    await expect(app.domain('imported')).rejects.toThrow('no virtual machine');
    await app.answerQuestions(0);
    await importText('good.cfg', text);
    await window.treeItem('imported').waitFor();
  });
});

describe('an image in use', () => {
  it('is refused to a second machine, with the name of the first', async () => {
    const image = await createTiny(app, 'owner', { start: true });
    await wizard.open();
    await wizard.existingDisk(image);
    await wizard.name.fill('thief');
    await wizard.memory.fill('64');
    await wizard.createAndStart();
    const message = window.notification('thief');
    await message.waitFor();
    expect(await message.innerText()).toMatch(/owner/);
    await app.until('the refusal', async () => (await app.domain('thief')).state === 'shutoff');
    expect((await app.domain('owner')).state).toBe('running');
  });
});

describe('a socket path that is too long', () => {
  it('keeps only the command line out, and says so', async () => {
    const deep = await DomusApp.launch({
      environment: { DOMUS_HOME: join(app.home, 'x'.repeat(120)) },
    });
    try {
      const other = new MainWindow(deep.page);
      await deep.page.locator('[data-test="problem-count"]', { hasText: '1' }).waitFor();
      expect((await other.problems()).join()).toMatch(
        /socket path .* has \d+ bytes, and the system allows 107/,
      );
      await createTiny(deep, 'works', { start: true });
    } finally {
      await deep.dispose();
    }
  });
});
