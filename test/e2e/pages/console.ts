import type { Locator } from 'playwright-core';
import { PNG } from 'pngjs';
import { PATIENCE_MS, type DomusApp } from '../support/app';

/** The Console tab: the guest's screen through noVNC. */
export class ConsolePage {
  constructor(private readonly app: DomusApp) {}

  get screen(): Locator {
    return this.app.page.locator('[data-test="vnc-screen"] canvas');
  }
  get overlay(): Locator {
    return this.app.page.locator('[data-test="console-overlay"]');
  }

  async connected(timeout = PATIENCE_MS): Promise<void> {
    await this.app.page
      .locator('[data-test="vnc-screen"][data-connected="true"]')
      .waitFor({ timeout });
  }

  async focus(): Promise<void> {
    await this.screen.click();
  }

  /** Presses a key in the VNC view, as a person would. */
  async press(key: string): Promise<void> {
    await this.focus();
    await this.app.page.keyboard.press(key);
  }

  /** The guest's framebuffer as noVNC painted it, in guest pixels. */
  async pixels(): Promise<PNG> {
    const data = await this.screen.evaluate((canvas) =>
      (canvas as HTMLCanvasElement).toDataURL('image/png'),
    );
    return PNG.sync.read(Buffer.from(data.slice(data.indexOf(',') + 1), 'base64'));
  }

  /** How many different colours are on the screen: one means that nothing is drawn. */
  async colours(): Promise<number> {
    const { data } = await this.pixels();
    const seen = new Set<number>();
    for (let at = 0; at < data.length; at += 4) seen.add(data.readUInt32BE(at) >>> 8);
    return seen.size;
  }
}
