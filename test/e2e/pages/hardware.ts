import type { Locator, Page } from 'playwright-core';
import { MainWindow } from './main-window';

/** The Hardware tab: the list of parts, the panel of the chosen one, Apply and Revert. */
export class HardwarePage {
  constructor(private readonly page: Page) {}

  get tab(): Locator {
    return this.page.locator('[data-test="hardware"]');
  }
  get badge(): Locator {
    return this.tab.locator('[data-test="hw-badge"]');
  }
  get problem(): Locator {
    return this.tab.locator('[data-test="hw-problem"]');
  }

  async open(): Promise<void> {
    await new MainWindow(this.page).tab('hardware');
    await this.tab.waitFor();
  }

  part(id: string): Locator {
    return this.tab.locator(`[data-test="hw-${id}"]`);
  }

  async choose(id: string): Promise<void> {
    await this.part(id).click();
  }

  /** Writes into a field of the panel, by its id, and leaves it. */
  async fill(id: string, text: string): Promise<void> {
    const field = this.tab.locator(`#hw-${id}`);
    await field.fill(text);
    await field.press('Tab');
  }

  async add(what: 'disk' | 'cd' | 'nic'): Promise<void> {
    await this.tab.locator('[data-test="hw-add"]').click();
    await this.page.locator(`[role="menu"] [data-id="${what}"]`).click();
  }

  async remove(): Promise<void> {
    await this.tab.locator('[data-test="hw-remove"]').click();
  }

  async apply(): Promise<void> {
    await this.tab.locator('[data-test="hw-apply"]').click();
  }

  /** Everything is applied. */
  async settled(): Promise<void> {
    await this.tab.locator('[data-test="hw-revert"]:disabled').waitFor();
  }

  async revert(): Promise<void> {
    await this.tab.locator('[data-test="hw-revert"]').click();
  }
}
