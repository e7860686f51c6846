import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { guest } from '../../build/guests.mjs';
import type { DomusBridge } from '../../core/api';
import { MainWindow } from './pages/main-window';
import { Wizard } from './pages/wizard';
import { brokenRules } from './support/accessibility';
import { DomusApp } from './support/app';
import { DIST } from './support/runtime';

const BOOT_MS = 60_000;
/** Where the pictures are left, for eyes. */
const FOLDER = join(DIST, 'screenshots');

let app: DomusApp;
beforeAll(async () => {
  app = await DomusApp.launch({ preferences: { theme: 'light', openConsoleOnStart: false } });
});
afterAll(() => app?.dispose());

it('shows what the CPU engine does while a kernel boots, in both themes', async () => {
  const { page } = app;
  const window = new MainWindow(page);
  const wizard = new Wizard(app);
  await wizard.open();
  await wizard.directBoot(
    await guest('debian-amd64-linux'),
    await guest('busybox-initrd.gz'),
    'console=ttyS0',
  );
  await wizard.diskMode('None');
  await wizard.name.fill('busy');
  await wizard.memory.fill('512');
  await wizard.create();
  await wizard.closed();
  await window.tab('performance');
  const tab = page.locator('[data-test="performance"]');
  await expect.poll(() => tab.innerText()).toContain('while busy runs');
  await window.toolbar('start').click();
  await window.waitForState('Running');

  const text = (name: string): Promise<string> => tab.locator(`[data-test="${name}"]`).innerText();
  await expect.poll(() => text('mips'), { timeout: BOOT_MS }).toMatch(/^[1-9]\d*$/);
  await expect.poll(() => text('translated'), { timeout: BOOT_MS }).toMatch(/^\d+\.\d % trans/);
  // The kernel has come to its devices: it writes to the serial port.
  await expect.poll(() => text('count-portWrites'), { timeout: BOOT_MS }).toMatch(/ k$/);
  mkdirSync(FOLDER, { recursive: true });
  for (const theme of ['light', 'dark'] as const) {
    await page.evaluate(
      (chosen) =>
        (globalThis as unknown as { domus: DomusBridge }).domus.setPreferences({ theme: chosen }),
      theme,
    );
    await expect
      .poll(() => page.evaluate(() => document.documentElement.classList.contains('dark')))
      .toBe(theme === 'dark');
    await page.screenshot({ path: join(FOLDER, `performance-${theme}.png`) });
    expect(await brokenRules(page)).toEqual([]);
  }
  expect(app.complaints).toEqual([]);
});
