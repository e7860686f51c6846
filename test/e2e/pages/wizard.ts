import type { Locator, Page } from 'playwright-core';
import type { FileKind } from '../../../core/api';
import type { DomusApp } from '../support/app';

/** The New dialog. */
export class Wizard {
  readonly dialog: Locator;

  constructor(private readonly app: DomusApp) {
    this.dialog = this.page.getByRole('dialog', { name: 'New virtual machine' });
  }

  private get page(): Page {
    return this.app.page;
  }

  async open(): Promise<void> {
    await this.page.locator('[data-test="new"]').click();
    await this.name.waitFor();
    await this.ready();
  }

  /** The suggestion has come. */
  async ready(): Promise<void> {
    await this.page.locator('[data-test="create-start"]:not([disabled])').waitFor();
  }

  get name(): Locator {
    return this.dialog.locator('#new-name');
  }
  get memory(): Locator {
    return this.dialog.locator('#new-memory');
  }

  async browseIso(path: string): Promise<void> {
    await this.app.chooseInDialogs(path);
    await this.dialog.locator('[data-test="iso-browse"]').click();
  }

  /** The same for an image that can be read: waits until it is in place, with what it suggests. */
  async chooseIso(path: string): Promise<void> {
    await this.browseIso(path);
    await this.dialog.locator('[data-test="iso-chosen"]').waitFor();
    await this.ready();
  }

  async diskMode(mode: 'New' | 'Existing' | 'None'): Promise<void> {
    await this.dialog.getByText(mode, { exact: true }).click();
  }

  async existingDisk(path: string): Promise<void> {
    await this.diskMode('Existing');
    await this.browse('disk', path);
  }

  /** Chooses a file and waits until the field has it: the answer of the system's dialog comes when it comes. */
  private async browse(kind: FileKind, path: string): Promise<void> {
    await this.app.chooseInDialogs(path);
    await this.dialog.locator(`[data-test="browse-${kind}"]`).click();
    await this.dialog.getByTitle(path, { exact: true }).waitFor();
  }

  async unfold(
    title: 'Direct kernel boot' | 'Firmware' | 'Screen and serial' | 'xl.cfg',
  ): Promise<void> {
    await this.dialog.locator(`[data-test="fold-${title}"]`).click();
  }

  async directBoot(kernel: string, ramdisk: string, args: string): Promise<void> {
    await this.unfold('Direct kernel boot');
    await this.browse('kernel', kernel);
    await this.browse('ramdisk', ramdisk);
    await this.dialog.locator('#new-extra').fill(args);
  }

  error(field: string): Locator {
    return this.dialog
      .locator('.el-form-item', { has: this.page.locator(`label:has-text("${field}")`) })
      .locator('.el-form-item__error');
  }

  async create(): Promise<void> {
    await this.dialog.locator('[data-test="create"]').click();
  }

  async createAndStart(): Promise<void> {
    await this.dialog.locator('[data-test="create-start"]').click();
  }

  /** Waits until the dialog is gone; fails with what it says when it stays. */
  async closed(): Promise<void> {
    try {
      await this.dialog.waitFor({ state: 'hidden' });
    } catch (cause) {
      throw new Error(`the wizard stays open: ${await this.dialog.innerText()}`, { cause });
    }
  }
}
