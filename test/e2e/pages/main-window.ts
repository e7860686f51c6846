import type { Locator, Page } from 'playwright-core';
import { PATIENCE_MS } from '../support/app';

/** The main window: tree, toolbar, tabs, panes. */
export class MainWindow {
  constructor(readonly page: Page) {}

  readonly toolbar = (
    name: 'new' | 'open-console' | 'start' | 'pause' | 'resume' | 'shut-down' | 'delete',
  ): Locator =>
    this.page.getByRole('toolbar', { name: 'Virtual machine' }).locator(`[data-test="${name}"]`);

  treeItem(name: string): Locator {
    return this.page.locator(`[data-test="tree-vm-${name}"]`);
  }

  async select(name: string): Promise<void> {
    await this.treeItem(name).click();
  }

  async place(name: 'storage' | 'networks' | 'trash'): Promise<void> {
    await this.page.locator(`[data-test="tree-${name}"]`).click();
  }

  async selectHost(): Promise<void> {
    await this.page.locator('[data-test="tree-host"]').click();
  }

  async tab(name: 'overview' | 'console' | 'hardware' | 'serial' | 'performance'): Promise<void> {
    await this.page.locator(`[data-test="tab-${name}"]`).click();
  }

  /** State word of the selected machine. */
  state(): Promise<string> {
    return this.page.locator('[data-test="vm-state"]').innerText();
  }

  async waitForState(state: string, timeout = PATIENCE_MS): Promise<void> {
    await this.page.locator('[data-test="vm-state"]', { hasText: state }).waitFor({ timeout });
  }

  /** Force Reset, Force Off, Reboot under Shut Down. */
  async power(entry: 'shut-down' | 'reboot' | 'reset' | 'force-off'): Promise<void> {
    await this.page.locator('[data-test="power-menu"]').click();
    await this.page.locator(`[role="menu"] [data-id="${entry}"]`).click();
  }

  async confirm(): Promise<void> {
    await this.page.locator('[data-test="confirm-action"]').click();
  }

  notification(text: string): Locator {
    return this.page.locator('.el-notification', { hasText: text });
  }

  async problems(): Promise<string[]> {
    await this.page.locator('[data-test="problem-count"]').click();
    return this.page.locator('[data-test="problem"] .message').allInnerTexts();
  }
}
