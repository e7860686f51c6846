import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { BUSYBOX_MARKER, guest } from '../../build/guests.mjs';
import { ConsolePage } from './pages/console';
import { HardwarePage } from './pages/hardware';
import { MainWindow } from './pages/main-window';
import { SerialPage } from './pages/serial';
import { Wizard } from './pages/wizard';
import { brokenRules } from './support/accessibility';
import { DomusApp } from './support/app';
import { domainProcesses } from './support/processes';
import { DIST, ROOT } from './support/runtime';
import { showsText } from './support/screen-text';
import { createTiny } from './support/tiny';

/** Where the pictures of the tour are left, for eyes. */
const FOLDER = join(DIST, 'screenshots');

let app: DomusApp | undefined;
afterEach(async () => {
  await app?.dispose();
  app = undefined;
});

/** Elements that are wider than the place they have: text that runs out of its box, or a page that scrolls sideways. */
function overflowing(on: DomusApp): Promise<string[]> {
  return on.page.evaluate(() => {
    const found: string[] = [];
    const describe = (element: Element): string =>
      `${element.tagName.toLowerCase()}.${element.className.toString()} “${(element.textContent ?? '').trim().slice(0, 60)}”`;
    if (document.documentElement.scrollWidth > window.innerWidth) found.push('the page');
    for (const element of document.querySelectorAll<HTMLElement>(
      'button, h1, h2, h3, p, dt, dd, label, td, th, .part, .card, .el-dialog, [role="tabpanel"], [role="toolbar"]',
    )) {
      const style = getComputedStyle(element);
      if (element.clientWidth === 0 || style.visibility === 'hidden') continue;
      // What is cut off with an ellipsis, or scrolls by itself, is so by intention.
      if (style.textOverflow === 'ellipsis' || /auto|scroll/.test(style.overflowX)) continue;
      if (element.scrollWidth > element.clientWidth + 1) found.push(describe(element));
      const box = element.getBoundingClientRect();
      if (box.right > window.innerWidth + 1 && element.closest('.visually-hidden') === null)
        found.push(`outside: ${describe(element)}`);
    }
    return [...new Set(found)];
  });
}

/** Both themes and both sizes; all four pairs when somebody wants to look at them. */
const TOURS: readonly (readonly ['light' | 'dark', number, number])[] = [
  ['light', 1024, 700],
  ['dark', 1600, 1000],
  ...(process.env['DOMUS_TOUR'] === 'all'
    ? ([
        ['dark', 1024, 700],
        ['light', 1600, 1000],
      ] as const)
    : []),
];

it.each(TOURS)('every part fits its place, %s at %d x %d', async (theme, width, height) => {
  app = await DomusApp.launch({ preferences: { theme } });
  const here = app;
  const { page } = here;
  const window = new MainWindow(page);
  const wizard = new Wizard(here);
  const folder = join(FOLDER, `${theme}-${width}`);
  mkdirSync(folder, { recursive: true });
  const problems: string[] = [];
  await here.electron.evaluate(
    ({ BrowserWindow }, size) =>
      BrowserWindow.getAllWindows()[0].setBounds({ x: 0, y: 0, ...size }),
    { width, height },
  );
  let shots = 0;
  const shot = async (name: string): Promise<void> => {
    await page.waitForTimeout(250);
    writeFileSync(
      join(folder, `${String(++shots).padStart(2, '0')}-${name}.png`),
      await page.screenshot(),
    );
    for (const element of await overflowing(here)) problems.push(`${name}: ${element}`);
  };
  /** The same for what only a running machine or a mistake shows: read by axe, too. */
  const readShot = async (name: string): Promise<void> => {
    await shot(name);
    for (const rule of await brokenRules(page)) {
      // A menu lies over the page, in no part of it.
      if (!/^region: .*role="menu"/.test(rule)) problems.push(`${name}: ${rule}`);
    }
  };
  const dismiss = async (): Promise<void> => {
    await page.evaluate(() => {
      for (const button of document.querySelectorAll<HTMLElement>('.el-notification__closeBtn'))
        button.click();
    });
  };

  await page.getByRole('heading', { name: 'Drop an ISO here' }).waitFor();
  await shot('host-empty');

  await wizard.open();
  await shot('wizard-no-iso');
  await wizard.browseIso(await guest('debian-netboot.iso'));
  await wizard.dialog.locator('[data-test="iso-os"]').waitFor();
  await shot('wizard-debian');
  for (const title of ['Direct kernel boot', 'Firmware', 'Screen and serial', 'xl.cfg'] as const) {
    await wizard.unfold(title);
    await page.waitForTimeout(250);
    await wizard.dialog.locator(`[data-test="fold-${title}"]`).scrollIntoViewIfNeeded();
    await shot(`wizard-fold-${title.replace(/\W/g, '').toLowerCase()}`);
  }
  await wizard.name.fill('two words');
  await wizard.memory.fill('9999999');
  await wizard.memory.press('Tab');
  await wizard.diskMode('Existing');
  await wizard.createAndStart();
  await readShot('wizard-errors');
  await page.keyboard.press('Escape');
  await wizard.closed();
  await wizard.open();
  const text = join(here.home, 'letter.iso');
  writeFileSync(text, 'Dear administrator,\n'.repeat(4000));
  await wizard.browseIso(text);
  await wizard.dialog.locator('[data-test="iso-error"]').waitFor();
  await wizard.dialog.locator('[data-test="iso-error"]').scrollIntoViewIfNeeded();
  await readShot('wizard-bad-iso');
  await page.keyboard.press('Escape');
  await wizard.closed();

  await wizard.open();
  await wizard.chooseIso(await guest('grub-rescue.iso'));
  await wizard.diskMode('None');
  await wizard.name.fill('grub');
  await wizard.memory.fill('128');
  await wizard.createAndStart();
  await wizard.closed();
  await here.until(
    'GRUB',
    async () => (await here.screenText('grub')).includes('Change the colors'),
    90_000,
  );
  await new ConsolePage(here).connected();
  await shot('console');
  await page.getByRole('button', { name: 'Send keys' }).click();
  await shot('console-keys');
  await page.keyboard.press('Escape');
  await window.tab('overview');
  await page.locator('.shot img').waitFor();
  await page.waitForTimeout(2500);
  await readShot('overview-running');
  await page.getByRole('button', { name: 'Configuration (xl.cfg)' }).click();
  await page.locator('[data-test="config-text"]', { hasText: 'memory' }).scrollIntoViewIfNeeded();
  await shot('overview-config');

  await createTiny(here, 'a-machine-with-quite-a-long-name-for-a-list', { start: true });
  await window.tab('serial');
  await new SerialPage(here).shows('DOMUS GUEST READY');
  await shot('serial');
  await new SerialPage(here).find('GUEST');
  await shot('serial-search');
  await window.toolbar('pause').click();
  await window.waitForState('Paused');
  await window.tab('overview');
  await shot('overview-paused');
  await window.tab('console');
  await readShot('console-paused');
  await page.locator('[data-test="power-menu"]').click();
  await shot('power-menu');
  await page.keyboard.press('Escape');

  await window.tab('performance');
  await page.waitForTimeout(1500);
  await shot('performance');

  await createTiny(here, 'crashed', { start: true });
  const pids = domainProcesses(here.pid);
  process.kill(Math.max(...pids), 'SIGKILL');
  await window.waitForState('Crashed');
  await window.tab('overview');
  await shot('overview-crashed');
  await window.tab('console');
  await dismiss();
  await readShot('console-crashed');
  await createTiny(here, 'off', { start: false });
  await window.tab('overview');
  await shot('overview-off');
  await window.tab('console');
  await shot('console-off');
  await window.tab('serial');
  await shot('serial-off');
  await window.tab('hardware');
  const hardware = new HardwarePage(page);
  for (const part of ['overview', 'memory', 'disk:hda', 'nic:0', 'display', 'boot']) {
    await hardware.choose(part);
    await readShot(`hardware-${part.replace(':', '-')}`);
  }
  for (const place of ['storage', 'networks', 'trash'] as const) {
    await window.place(place);
    await page.waitForTimeout(500);
    await readShot(place);
  }

  await window.problems();
  await readShot('problems');
  await page.locator('#tab-tasks').click();
  await shot('tasks');
  await window.selectHost();
  await shot('host');
  await page.locator('[data-test="row-grub"]').click({ button: 'right' });
  await readShot('host-menu');
  await page.keyboard.press('Escape');
  await page.getByRole('searchbox', { name: 'Filter virtual machines by name' }).fill('zzz');
  await shot('host-filtered');
  await page.getByRole('searchbox', { name: 'Filter virtual machines by name' }).fill('');

  for (const [item, name] of [
    ['preferences', 'Preferences'],
    ['shortcuts', 'Keyboard shortcuts'],
    ['about', 'About Domus'],
  ] as const) {
    await here.menu(item);
    await page.getByRole('dialog', { name }).waitFor();
    await shot(item);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog', { name }).waitFor({ state: 'hidden' });
  }
  await window.select('grub');
  await window.power('force-off');
  await page.getByRole('dialog', { name: 'Force off' }).waitFor();
  await readShot('confirm');
  await page.keyboard.press('Escape');
  await window.select('off');
  await window.toolbar('delete').click();
  await page.getByRole('dialog', { name: 'Delete virtual machine' }).waitFor();
  await shot('delete');
  await page.keyboard.press('Escape');
  await here.menu('quit');
  await page.getByRole('dialog', { name: 'Quit Domus?' }).waitFor();
  await readShot('quit');
  expect(problems).toEqual([]);
  expect(here.complaints).toEqual([]);
});

/** The README's pictures, made anew with `DOMUS_TOUR=docs npm run test:e2e -- tour -t README`. */
if (process.env['DOMUS_TOUR'] === 'docs')
  it('makes the pictures of the README', { timeout: 900_000 }, async () => {
    app = await DomusApp.launch({ preferences: { theme: 'light', tasksHeight: 96 } });
    const here = app;
    const { page } = here;
    const window = new MainWindow(page);
    const wizard = new Wizard(here);
    const screen = new ConsolePage(here);
    const serial = new SerialPage(here);
    const files = join(here.home, 'Downloads');
    mkdirSync(files);
    const file = async (name: Parameters<typeof guest>[0], as: string): Promise<string> => {
      copyFileSync(await guest(name), join(files, as));
      return join(files, as);
    };
    await here.electron.evaluate(({ BrowserWindow }) =>
      BrowserWindow.getAllWindows()[0].setBounds({ x: 0, y: 0, width: 1240, height: 840 }),
    );
    const picture = async (name: string): Promise<void> => {
      await page.evaluate(() => {
        for (const button of document.querySelectorAll<HTMLElement>('.el-notification__closeBtn'))
          button.click();
      });
      await page.mouse.move(620, 838);
      await page.waitForTimeout(600);
      writeFileSync(join(ROOT, 'docs/screenshots', `${name}.png`), await page.screenshot());
    };

    await wizard.open();
    await wizard.browseIso(await file('debian-netboot.iso', 'debian-12-netboot.iso'));
    await wizard.dialog.locator('[data-test="iso-os"]', { hasText: 'Debian' }).waitFor();
    await picture('new-virtual-machine');
    await wizard.createAndStart();
    await wizard.closed();
    await here.until(
      'the boot menu',
      async () => /install/i.test(await here.screenText('debian12')),
      120_000,
    );
    await screen.connected();
    await screen.press('Enter');

    await wizard.open();
    await wizard.directBoot(
      await file('debian-amd64-linux', 'vmlinuz'),
      await file('busybox-initrd.gz', 'initrd.gz'),
      'console=ttyS0',
    );
    await wizard.diskMode('None');
    await wizard.name.fill('busybox');
    await wizard.memory.fill('512');
    await wizard.createAndStart();
    await wizard.closed();
    await window.waitForState('Running');
    await window.tab('serial');
    await serial.shows(BUSYBOX_MARKER, 240_000);
    await serial.type('uname -a; grep -m1 "model name" /proc/cpuinfo; free -m\n');
    await serial.shows('Mem:');
    await createTiny(here, 'scratch', { start: false });

    await window.select('debian12');
    await window.tab('console');
    const asks = 'Choose the language to be used for the installation process.';
    await here.until(
      'the language screen',
      async () => showsText(await screen.pixels(), asks),
      400_000,
    );
    await picture('debian-installer');
    await window.tab('overview');
    await page.locator('.shot img').waitFor();
    await page.waitForTimeout(4000);
    await picture('overview');
    await window.tab('hardware');
    await new HardwarePage(page).choose('nic:0');
    await picture('hardware');
    await window.place('storage');
    await page.locator('[data-test="image-debian12.img"]').waitFor();
    await picture('storage');
    await window.selectHost();
    await picture('host');
    await here.setPreferences({ theme: 'dark' });
    await window.select('busybox');
    await window.tab('serial');
    await serial.shows('Mem:');
    await picture('serial-dark');
    expect(here.complaints).toEqual([]);
  });
