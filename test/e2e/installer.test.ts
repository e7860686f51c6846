import { afterAll, beforeAll, expect, it } from 'vitest';
import { guest } from '../../build/guests.mjs';
import { ConsolePage } from './pages/console';
import { MainWindow } from './pages/main-window';
import { Wizard } from './pages/wizard';
import { DomusApp } from './support/app';
import { showsText } from './support/screen-text';

const MENU_MS = 90_000;
/** About a minute on an idle machine; the others that use it may take most of it. */
const INSTALLER_MS = 420_000;

/** The whole of it: an unmodified installer ISO, through the wizard, to its language screen. */
let app: DomusApp;
beforeAll(async () => {
  app = await DomusApp.launch();
});
afterAll(() => app?.dispose());

it(
  'installs Debian 12 from its netboot ISO up to the choice of a language, in the VNC tab',
  async () => {
    const window = new MainWindow(app.page);
    const screen = new ConsolePage(app);
    const wizard = new Wizard(app);
    await wizard.open();
    await wizard.browseIso(await guest('debian-netboot.iso'));
    await wizard.dialog.locator('[data-test="iso-os"]', { hasText: 'Debian' }).waitFor();
    expect(await wizard.dialog.locator('[data-test="iso-evidence"] li').count()).toBeGreaterThan(0);
    expect(await wizard.name.inputValue()).toBe('debian12');
    await wizard.createAndStart();
    await wizard.closed();
    await window.waitForState('Running');
    await screen.connected();

    const shows = (text: RegExp, patienceMs: number): Promise<void> =>
      app.until(
        `${String(text)} on the screen`,
        async () => text.test(await app.screenText('debian12')),
        patienceMs,
      );
    await shows(/install/i, MENU_MS);
    await app.until('the menu painted in the VNC tab', async () => (await screen.colours()) >= 3);

    await screen.press('Enter');
    // The installer draws on the kernel's framebuffer console, so there are pixels to look at and no text.
    const asks = 'Choose the language to be used for the installation process.';
    try {
      await app.until(
        'the language screen',
        async () => showsText(await screen.pixels(), asks),
        INSTALLER_MS,
      );
    } catch (cause) {
      const drawn = showsText(await app.screenPixels('debian12'), asks);
      throw new Error(`the guest has ${drawn ? '' : 'not '}drawn it`, { cause });
    }
    const language = await screen.pixels();
    await screen.press('ArrowDown');
    await app.until(
      'a moved selection',
      async () => !(await screen.pixels()).data.equals(language.data),
    );
    expect((await app.domain('debian12')).state).toBe('running');
    expect(app.complaints).toEqual([]);
  },
  MENU_MS + INSTALLER_MS + 60_000,
);
