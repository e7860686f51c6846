import type { Locator } from 'playwright-core';
import { PATIENCE_MS, type DomusApp } from '../support/app';

/** The Serial tab: xterm.js. */
export class SerialPage {
  constructor(private readonly app: DomusApp) {}

  get terminal(): Locator {
    return this.app.page.locator('[data-test="serial-terminal"]');
  }

  /** What is in view, line by line, from the terminal's own rows. */
  async text(): Promise<string> {
    const rows = await this.terminal.locator('.xterm-rows > div').allInnerTexts();
    return rows.map((row) => row.replaceAll('\u00a0', ' ')).join('\n');
  }

  async shows(text: string, patienceMs = PATIENCE_MS): Promise<void> {
    await this.app.until(
      `serial output “${text}”`,
      async () => (await this.text()).includes(text),
      patienceMs,
    );
  }

  /** Looks for `text` in all that was written; answers what the tab says of it, `1 of 2` or `Not found`. */
  async find(text: string): Promise<string> {
    await this.app.page.getByRole('searchbox', { name: 'Search the serial output' }).fill(text);
    const answer = this.app.page.locator('[data-test="serial-found"]');
    await answer.filter({ hasText: /\S/ }).waitFor();
    return answer.innerText();
  }

  async type(text: string): Promise<void> {
    await this.terminal.locator('textarea').focus();
    await this.app.page.keyboard.type(text);
  }
}
