import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DomusBridge } from '../../../core/api';
import { brokenRules } from './accessibility';
import type { DomusApp } from './app';
import { DIST } from './runtime';

/** Where the pictures are left, for eyes. */
const FOLDER = join(DIST, 'screenshots');
const SIZES = [
  [1240, 840],
  [1000, 640],
] as const;

/** Pictures of what the window shows in both themes and two sizes; rules of accessibility that it breaks there. */
export async function looks(app: DomusApp, name: string): Promise<string[]> {
  mkdirSync(FOLDER, { recursive: true });
  const { page } = app;
  const broken = new Set<string>();
  for (const theme of ['dark', 'light'] as const) {
    await page.evaluate(
      (chosen) =>
        (globalThis as unknown as { domus: DomusBridge }).domus.setPreferences({ theme: chosen }),
      theme,
    );
    await page.waitForFunction(
      (dark) => document.documentElement.classList.contains('dark') === dark,
      theme === 'dark',
    );
    for (const [width, height] of SIZES) {
      await app.electron.evaluate(
        ({ BrowserWindow }, size) =>
          BrowserWindow.getAllWindows()[0].setBounds({ x: 0, y: 0, ...size }),
        { width, height },
      );
      await page.waitForTimeout(300);
      await page.screenshot({ path: join(FOLDER, `${name}-${theme}-${width}.png`) });
      const wide = await page.evaluate(
        () => document.documentElement.scrollWidth > window.innerWidth,
      );
      if (wide) broken.add(`the page is wider than ${width}`);
    }
    for (const rule of await brokenRules(page)) broken.add(`${theme}: ${rule}`);
  }
  return [...broken];
}
