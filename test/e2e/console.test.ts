import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guest } from '../../build/guests.mjs';
import { ConsolePage } from './pages/console';
import { MainWindow } from './pages/main-window';
import { Wizard } from './pages/wizard';
import { DomusApp, PATIENCE_MS } from './support/app';

/** The screen tab with GRUB's rescue CD, which has a prompt that answers. Tests go on from each other. */
let app: DomusApp;
let window: MainWindow;
let screen: ConsolePage;
const PROMPT_MS = 90_000;

beforeAll(async () => {
  app = await DomusApp.launch();
  window = new MainWindow(app.page);
  screen = new ConsolePage(app);
  const wizard = new Wizard(app);
  await wizard.open();
  await wizard.chooseIso(await guest('grub-rescue.iso'));
  await wizard.diskMode('None');
  await wizard.name.fill('grub');
  await wizard.memory.fill('128');
  await wizard.createAndStart();
  await wizard.closed();
  await window.waitForState('Running');
  await toPrompt();
});
afterAll(() => app?.dispose());

function shows(text: string, patienceMs = PATIENCE_MS): Promise<void> {
  return app.until(
    `“${text}” on the guest's screen`,
    async () => (await app.screenText('grub')).includes(text),
    patienceMs,
  );
}

/** From GRUB's menu to its command line, through the VNC tab. */
async function toPrompt(): Promise<void> {
  await shows('Change the colors', PROMPT_MS);
  await screen.connected();
  await screen.press('c');
  await shows('grub>');
}

async function captured(): Promise<boolean> {
  return (await app.page.locator('[data-test="host-key"]').innerText()).includes(
    'Keyboard goes to grub',
  );
}

describe('the console', () => {
  it('opens by itself on Create and start, and paints what the guest draws', async () => {
    await screen.connected();
    expect(await app.page.locator('[data-test="tab-console"]').getAttribute('aria-selected')).toBe(
      'true',
    );
    await app.until('pixels of the guest', async () => (await screen.colours()) >= 2);
    expect(await app.page.locator('[data-test="screen-size"]').innerText()).toMatch(/^\d+ × \d+$/);
  });

  it('passes keys to the guest and says who has the keyboard', async () => {
    await screen.focus();
    await app.until('the captured keyboard', captured);
    await app.page.keyboard.type('echo typed-7', { delay: 40 });
    await app.page.keyboard.press('Enter');
    await shows('echo typed-7');
    await app.until(
      'the answer',
      async () => (await app.screenText('grub')).split('typed-7').length > 2,
    );
  });

  it('keeps menu shortcuts for the guest while it has the keyboard; the host key gives it back', async () => {
    await screen.focus();
    await app.page.keyboard.press('Control+N');
    await app.page.waitForTimeout(300);
    expect(await app.page.getByRole('dialog').count()).toBe(0);
    await app.page.keyboard.press('ControlRight');
    await app.until('the released keyboard', async () => !(await captured()));
  });

  it('types the text of the clipboard into the guest', async () => {
    await app.electron.evaluate(async ({ clipboard }) => {
      await clipboard.writeText('echo From-Clipboard_#1');
    });
    await app.page.locator('[data-test="type-clipboard"]').click();
    await shows('echo From-Clipboard_#1');
    await screen.press('Enter');
  });

  it('scales to fit and to 1:1', async () => {
    const { width } = await screen.pixels();
    const shown = async (): Promise<number> => (await screen.screen.boundingBox())?.width ?? 0;
    await app.menu('scale-actual');
    await app.until('1:1', async () => Math.round(await shown()) === width);
    await app.menu('scale-fit');
    const stage = await app.page.locator('[data-test="vnc-screen"]').boundingBox();
    await app.until('a screen as large as its place', async () => {
      const box = await screen.screen.boundingBox();
      return (
        box !== null &&
        stage !== null &&
        (Math.abs(box.width - stage.width) < 2 || Math.abs(box.height - stage.height) < 2)
      );
    });
  });

  it('saves and copies a screenshot in guest pixels', async () => {
    const path = join(app.home, 'shot.png');
    await app.chooseInDialogs(path);
    await app.menu('screenshot');
    await window.notification('Screenshot saved').waitFor();
    const image = PNG.sync.read(readFileSync(path));
    const painted = await screen.pixels();
    expect([image.width, image.height]).toEqual([painted.width, painted.height]);
    await app.menu('copy-screenshot');
    await window.notification('Copied to the clipboard').waitFor();
  });

  it('fills the screen and comes back', async () => {
    await app.menu('full-screen');
    await app.until(
      'the bare console',
      async () => (await app.page.locator('[data-test="new"]').count()) === 0,
    );
    await app.menu('full-screen');
    await app.page.locator('[data-test="new"]').waitFor();
  });

  it('shows the guest again after a reset', async () => {
    await window.power('reset');
    await window.confirm();
    await toPrompt();
    expect(await app.screenText('grub')).not.toContain('typed-7');
    await screen.press('x');
    await shows('grub> x');
  });

  it('says that the machine is off, and starts it from there', async () => {
    await window.power('force-off');
    await window.confirm();
    await screen.overlay.getByText('This virtual machine is shut off').waitFor();
    await app.page.locator('[data-test="overlay-start"]').click();
    await toPrompt();
    expect(app.complaints).toEqual([]);
  });
});
