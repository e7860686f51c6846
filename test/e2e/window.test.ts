import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { brokenRules } from './support/accessibility';
import { DomusApp } from './support/app';
import { MainWindow } from './pages/main-window';
import { Wizard } from './pages/wizard';

let app: DomusApp | undefined;
afterEach(async () => {
  await app?.dispose();
  app = undefined;
});

describe('the window', () => {
  it('teaches the first step when there is no virtual machine, and complains about nothing', async () => {
    app = await DomusApp.launch();
    await app.page.getByRole('heading', { name: 'Drop an ISO here' }).waitFor();
    expect(await app.page.getByRole('button', { name: 'Browse for an ISO…' }).isEnabled()).toBe(
      true,
    );
    expect(await app.page.locator('[data-test="start"]').isDisabled()).toBe(true);
    await app.until('host figures in the status bar', async () =>
      /CPU \d+ %/.test(await app!.page.locator('[data-test="host-cpu"]').innerText()),
    );
    expect(app.complaints).toEqual([]);
  });

  it('opens where it was left, with the theme that was chosen', async () => {
    app = await DomusApp.launch();
    await app.electron.evaluate(({ BrowserWindow }) =>
      BrowserWindow.getAllWindows()[0].setBounds({ x: 40, y: 30, width: 1000, height: 700 }),
    );
    await app.menu('preferences');
    await app.page
      .getByRole('dialog', { name: 'Preferences' })
      .getByText('Dark', { exact: true })
      .click();
    await app.until('the dark theme', () =>
      app!.page.evaluate(() => document.documentElement.classList.contains('dark')),
    );
    const stored = (name: string): string => {
      const path = join(app!.home, 'config/Domus', name);
      return existsSync(path) ? readFileSync(path, 'utf8') : '';
    };
    await app.until(
      'stored bounds and theme',
      async () =>
        stored('window.json').includes('1000') && stored('preferences.json').includes('dark'),
    );
    await app.kill();
    app = await DomusApp.launch({ home: app.home });
    expect(await app.page.evaluate(() => document.documentElement.classList.contains('dark'))).toBe(
      true,
    );
    const bounds = await app.electron.evaluate(({ BrowserWindow }) =>
      BrowserWindow.getAllWindows()[0].getNormalBounds(),
    );
    expect(bounds).toMatchObject({ width: 1000, height: 700 });
  });

  it('is there once: a second start brings it to the front and ends', async () => {
    app = await DomusApp.launch();
    const second = spawn(app.command[0], app.command.slice(1), {
      env: app.environment,
      stdio: 'ignore',
    });
    const [status] = (await once(second, 'exit')) as [number | null];
    expect(status).toBe(0);
    expect(
      await app.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length),
    ).toBe(1);
  });

  it('is usable with the keyboard alone', async () => {
    app = await DomusApp.launch();
    const { page } = app;
    await page.locator('[data-test="new"]').focus();
    await page.keyboard.press('Enter');
    const wizard = new Wizard(app);
    await wizard.ready();
    await wizard.name.fill('by-keyboard');
    await wizard.diskMode('None');
    await page.locator('[data-test="create"]').focus();
    await page.keyboard.press('Enter');
    await wizard.closed();
    await page.locator('[data-test="tree-vm-by-keyboard"]').focus();
    await page.keyboard.press('ArrowUp');
    expect(await page.locator('[data-test="tree-host"]').getAttribute('aria-selected')).toBe(
      'true',
    );
    await page.keyboard.press('b');
    expect(
      await page.locator('[data-test="tree-vm-by-keyboard"]').getAttribute('aria-selected'),
    ).toBe('true');
    await page.keyboard.press('Shift+F10');
    await page.getByRole('menuitem', { name: 'Open Console' }).waitFor();
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain(
      'Open Console',
    );
    await page.keyboard.press('Escape');
    await page.keyboard.press('Enter');
    await page
      .locator('[data-test="console-overlay"]', { hasText: 'This virtual machine is shut off' })
      .waitFor();
  });

  it('enables the menu items that apply', async () => {
    app = await DomusApp.launch();
    const enabled = (id: string): Promise<boolean> =>
      app!.electron.evaluate(
        ({ Menu }, wanted) => Menu.getApplicationMenu()?.getMenuItemById(wanted)?.enabled === true,
        id,
      );
    expect(await enabled('start')).toBe(false);
    const wizard = new Wizard(app);
    await wizard.open();
    await wizard.diskMode('None');
    await wizard.name.fill('menu');
    await wizard.create();
    await wizard.closed();
    await app.until('Start enabled', () => enabled('start'));
    expect(await enabled('force-off')).toBe(false);
    const labels = await app.electron.evaluate(({ Menu }) =>
      Menu.getApplicationMenu()?.items.map((item) => item.label.replace('&', '')),
    );
    expect(labels).toEqual(['File', 'Edit', 'View', 'Virtual Machine', 'Send Key', 'Host', 'Help']);
  });
});

describe('accessibility (axe-core)', () => {
  it.each(['light', 'dark'] as const)('breaks no rule in any part, %s', async (theme) => {
    app = await DomusApp.launch({ preferences: { theme } });
    const { page } = app;
    const window = new MainWindow(page);
    const wizard = new Wizard(app);
    await page.getByRole('heading', { name: 'Drop an ISO here' }).waitFor();
    expect(await brokenRules(page), 'the empty host').toEqual([]);

    await wizard.open();
    for (const title of ['Direct kernel boot', 'Firmware', 'Screen and serial', 'xl.cfg'] as const)
      await wizard.unfold(title);
    await page.waitForTimeout(400);
    expect(await brokenRules(page), 'the wizard').toEqual([]);
    await wizard.unfold('Direct kernel boot');
    await wizard.diskMode('None');
    await wizard.name.fill('axe');
    await wizard.create();
    await wizard.closed();

    for (const tab of ['overview', 'console', 'serial'] as const) {
      await window.tab(tab);
      await page.waitForTimeout(300);
      expect(await brokenRules(page), tab).toEqual([]);
    }
    await window.selectHost();
    expect(await brokenRules(page), 'the host with a machine').toEqual([]);
    for (const [item, name] of [
      ['preferences', 'Preferences'],
      ['shortcuts', 'Keyboard shortcuts'],
      ['about', 'About Domus'],
    ] as const) {
      await app.menu(item);
      await page.getByRole('dialog', { name }).waitFor();
      await page.waitForTimeout(400);
      expect(await brokenRules(page), name).toEqual([]);
      await page.keyboard.press('Escape');
      await page.getByRole('dialog', { name }).waitFor({ state: 'hidden' });
    }
    await window.select('axe');
    await window.toolbar('delete').click();
    await page.getByRole('dialog', { name: 'Delete virtual machine' }).waitFor();
    await page.waitForTimeout(400);
    expect(await brokenRules(page), 'the delete dialog').toEqual([]);
  });
});
