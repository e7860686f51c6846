import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DomusBridge } from '../../core/api';
import { guest } from '../../build/guests.mjs';
import { Wizard } from './pages/wizard';
import { DomusApp } from './support/app';

/** The running app against Electron's security checklist (electron/docs/tutorial/security.md) and our own rules on top. */
let app: DomusApp;
beforeAll(async () => {
  app = await DomusApp.launch();
});
afterAll(() => app?.dispose());

describe('the page', () => {
  it('is isolated, sandboxed and without Node', async () => {
    const preferences = await app.electron.evaluate(({ BrowserWindow }) => {
      const contents = BrowserWindow.getAllWindows()[0].webContents as Electron.WebContents & {
        getLastWebPreferences(): Electron.WebPreferences;
      };
      return contents.getLastWebPreferences();
    });
    expect(preferences).toMatchObject({
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      webviewTag: false,
    });
    expect(preferences.nodeIntegrationInWorker ?? false).toBe(false);
    expect(preferences.allowRunningInsecureContent ?? false).toBe(false);
    expect(preferences.experimentalFeatures ?? false).toBe(false);
    expect(preferences.enableBlinkFeatures ?? '').toBe('');
    const globals = await app.page.evaluate(() =>
      ['require', 'process', 'module', 'Buffer', 'electron', 'ipcRenderer'].filter(
        (name) => name in window,
      ),
    );
    expect(globals).toEqual([]);
  });

  it('gets named functions from the preload, and nothing of Electron behind them', async () => {
    const kinds = await app.page.evaluate(() =>
      Object.values(window.domus).map((member) => typeof member),
    );
    expect(new Set(kinds)).toEqual(new Set(['function']));
    const frozen = await app.page.evaluate(() => {
      try {
        (window as unknown as { domus: unknown }).domus = {};
      } catch {
        return true;
      }
      return typeof window.domus.call === 'function';
    });
    expect(frozen).toBe(true);
  });

  it('comes from app:// with a policy that allows nothing from elsewhere and no inline script', async () => {
    expect(await app.page.evaluate(() => window.location.origin)).toBe('app://domus');
    const policy = await app.page.evaluate(async () =>
      (await fetch('/index.html')).headers.get('content-security-policy'),
    );
    expect(policy).toMatch(/default-src 'none'/);
    expect(policy).toMatch(/script-src 'self' 'wasm-unsafe-eval'(;|$)/);
    expect(policy).toMatch(/style-src 'self' 'nonce-[A-Za-z0-9+/=]{20,}'(;|$)/);
    for (const directive of ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"])
      expect(policy).toContain(directive);
    const again = await app.page.evaluate(async () =>
      (await fetch('/index.html')).headers.get('content-security-policy'),
    );
    expect(again, 'a nonce is used once').not.toBe(policy);
  });

  it('runs no inline script, no eval and loads nothing from elsewhere', async () => {
    const outcome = await app.page.evaluate(async () => {
      const blocked: string[] = [];
      document.addEventListener('securitypolicyviolation', (event) =>
        blocked.push(event.effectiveDirective),
      );
      const flag = window as unknown as { ran?: string };
      const script = document.createElement('script');
      script.textContent = 'window.ran = "inline"';
      document.body.append(script);
      const holder = document.createElement('div');
      holder.innerHTML =
        '<img src="x:" onerror="window.ran = \'handler\'"><iframe src="https://example.org"></iframe><object data="https://example.org"></object><style>body{--leaked:1}</style>';
      document.body.append(holder);
      const image = new Image();
      image.src = 'https://example.org/pixel.png';
      document.body.append(image);
      let evaluated = true;
      // Code that a debugger evaluates may eval whatever the policy says; a later turn of the page's own loop may not.
      await new Promise((wake) => setTimeout(wake, 10));
      try {
        const { Function: evaluate } = window as unknown as {
          Function: (code: string) => () => void;
        };
        evaluate('window.ran = "eval"')();
      } catch {
        evaluated = false;
      }
      const fetched = await fetch('https://example.org/').then(
        () => true,
        () => false,
      );
      await new Promise((wake) => setTimeout(wake, 500));
      const leaked = getComputedStyle(document.body).getPropertyValue('--leaked');
      for (const element of [script, holder, image]) element.remove();
      return {
        ran: flag.ran ?? null,
        evaluated,
        fetched,
        leaked,
        blocked: [...new Set(blocked)].sort(),
      };
    });
    expect(outcome).toMatchObject({ ran: null, evaluated: false, fetched: false, leaked: '' });
    expect(outcome.blocked).toEqual(
      expect.arrayContaining([
        'connect-src',
        'frame-src',
        'img-src',
        'object-src',
        'script-src-elem',
        'style-src-elem',
      ]),
    );
  });

  it('cannot leave, open windows or attach a webview', async () => {
    const opened = await app.page.evaluate(() => window.open('https://example.org') !== null);
    expect(opened).toBe(false);
    for (const target of ['https://example.org/', 'file:///etc/passwd', 'app://elsewhere/']) {
      await app.page.evaluate((url) => {
        window.location.href = url;
      }, target);
    }
    await new Promise((wake) => setTimeout(wake, 500));
    expect(app.page.url()).toBe('app://domus/');
    expect(
      await app.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length),
    ).toBe(1);
    // Playwright waits for ever for the navigations that did not happen.
    await app.page.reload();
  });

  it('is refused every permission', async () => {
    const answers = await app.page.evaluate(async () => {
      const ask = async (what: () => Promise<unknown>): Promise<string> => {
        try {
          return String(await what());
        } catch (error) {
          return error instanceof DOMException || error instanceof Error ? error.name : 'refused';
        }
      };
      return {
        notification: await ask(() => Notification.requestPermission()),
        location: await ask(
          () =>
            new Promise((resolve, reject) =>
              navigator.geolocation.getCurrentPosition(
                () => resolve('granted'),
                (error) => reject(new Error(error.message)),
              ),
            ),
        ),
        camera: await ask(() => navigator.mediaDevices.getUserMedia({ video: true })),
        clipboard: await ask(() => navigator.clipboard.readText()),
        midi: await ask(() => navigator.requestMIDIAccess()),
      };
    });
    expect(Object.values(answers)).not.toContain('granted');
    expect(answers.notification).toBe('denied');
    expect(answers.clipboard).toBe('NotAllowedError');
  });
});

describe('the app:// scheme', () => {
  it.each([
    '/../package.json',
    '/%2e%2e/electron/main.mjs',
    '/..%2f..%2fpackage.json',
    '/etc/passwd',
    '//etc/passwd',
    '/assets/',
  ])('does not serve %s', async (path) => {
    const status = await app.page.evaluate(
      async (url) => (await fetch(url).catch(() => ({ status: 0 }))).status,
      `app://domus${path}`,
    );
    expect([0, 404]).toContain(status);
  });
});

describe('requests to main', () => {
  it('are refused from any other window or frame', async () => {
    const answer = await app.electron.evaluate(async ({ BrowserWindow, app: electronApp }) => {
      const preload = `${electronApp.getAppPath()}/dist/electron/preload.cjs`;
      const stranger = new BrowserWindow({
        show: false,
        webPreferences: { preload, sandbox: true },
      });
      try {
        await stranger.loadURL('app://domus/');
        return (await stranger.webContents.executeJavaScript(
          'window.domus.call("domain/list", {})',
        )) as unknown;
      } finally {
        stranger.destroy();
      }
    });
    expect(answer).toEqual({
      ok: false,
      error: { code: 'INTERNAL', message: 'Requests are taken from the main window only.' },
    });
  });

  it('cannot name a file that nobody chose', async () => {
    const messages = await app.page.evaluate(async () => {
      const suggestion = await window.domus.call('domain/suggest', {});
      if (!suggestion.ok) throw new Error(suggestion.error.message);
      const { config } = suggestion.value;
      const text = async (
        reply: Promise<{ ok: boolean; error?: { message: string } }>,
      ): Promise<string> => (await reply).error?.message ?? 'ALLOWED';
      return Promise.all([
        text(window.domus.call('iso/inspect', { path: '/etc/passwd' })),
        text(window.domus.call('domain/suggest', { iso: '/etc/shadow' })),
        text(window.domus.call('domain/define', { config: { ...config, kernel: '/etc/passwd' } })),
        text(
          window.domus.call('domain/define', {
            config: {
              ...config,
              disk: [{ vdev: 'hda', target: '/dev/sda', format: 'raw', access: 'w', cdrom: false }],
            },
          }),
        ),
        text(window.domus.readConfigFile('/etc/passwd')),
      ]);
    });
    for (const message of messages) expect(message).toMatch(/was not chosen in this app/);
  });

  it('survive 2,000 sets of wrong parameters, and answer each with a refusal', async () => {
    const silly = [
      undefined,
      null,
      0,
      -1,
      NaN,
      2 ** 53,
      '',
      'x'.repeat(70_000),
      '\0',
      '../../etc/passwd',
      '<img src=x onerror=alert(1)>',
      [],
      [[]],
      {},
      { __proto__: { a: 1 } },
      { domain: 1 },
      { config: {} },
      { path: 7 },
      true,
      new Uint8Array(9),
    ];
    const answers = await app.page.evaluate(async (values) => {
      const bridge = window.domus as unknown as Record<
        keyof DomusBridge,
        (...args: unknown[]) => Promise<{ ok: boolean }>
      >;
      const names: (keyof DomusBridge)[] = [
        'call',
        'setPreferences',
        'pickFile',
        'droppedIso',
        'readConfigFile',
        'approvePaths',
        'saveFile',
        'writeClipboardImage',
        'connectVnc',
        'setMenuContext',
        'setInputCaptured',
        'setFullScreen',
        'answerQuit',
      ];
      const commands = [
        'domain/get',
        'domain/define',
        'domain/start',
        'domain/delete',
        'config/format',
        'iso/inspect',
        'no/such',
        '__proto__',
        'constructor',
      ];
      let accepted = 0;
      let refused = 0;
      let seed = 1;
      const random = (below: number): number => {
        seed = (seed * 1103515245 + 12345) & 0x7fffffff;
        return seed % below;
      };
      for (let round = 0; round < 2000; round++) {
        const name = names[random(names.length)];
        const args =
          name === 'call'
            ? [commands[random(commands.length)], values[random(values.length)]]
            : [
                values[random(values.length)],
                values[random(values.length)],
                values[random(values.length)],
              ];
        // Two valid sets are among the values: full screen and capture take a boolean, and no preference is a change.
        try {
          if ((await bridge[name](...args)).ok) accepted += 1;
          else refused += 1;
        } catch {
          refused += 1;
        }
        if (round % 400 === 399) await new Promise((wake) => setTimeout(wake, 1000));
      }
      await bridge.setFullScreen(false);
      await bridge.setInputCaptured(false);
      return { accepted, refused };
    }, silly);
    expect(answers.accepted + answers.refused).toBe(2000);
    expect(answers.refused).toBeGreaterThan(1500);
    expect(await app.domains()).toEqual([]);
    expect(await app.page.locator('[data-test="tree-host"]').isVisible()).toBe(true);
  });
});

describe('text from outside', () => {
  const PAYLOADS = [
    '<img src=x onerror=window.ran=1>',
    '<svg onload=window.ran=1>',
    '"><script>window.ran=1<\u2215script>',
    "';window.ran=1;'",
    '{{constructor.constructor("window.ran=1")()}}',
    '<iframe srcdoc="<b onclick=1>">',
    'javascript:window.ran=1',
    '<style>*{display:none}',
    '\u202egnp.exe',
    '&lt;b&gt;',
  ];

  it('is shown as text: names of images, their volume ids, error messages', async () => {
    const folder = join(app.home, 'payloads');
    mkdirSync(folder, { recursive: true });
    const wizard = new Wizard(app);
    for (const [index, payload] of PAYLOADS.entries()) {
      const path = join(folder, `${index}${payload.replaceAll('/', '\u2215')}.iso`);
      writeFileSync(path, isoWithVolumeId(payload));
      if (index === 0) await wizard.open();
      await app.chooseInDialogs(path);
      const change = wizard.dialog.locator('button', { hasText: 'Change…' });
      await (
        (await change.count()) > 0 ? change : wizard.dialog.locator('[data-test="iso-browse"]')
      ).click();
      await app.until(`the image ${index}`, async () =>
        (await wizard.dialog.innerText()).includes(payload.replaceAll('/', '\u2215').slice(0, 12)),
      );
    }
    await app.page.keyboard.press('Escape');
    const found = await app.page.evaluate(() => ({
      ran: (window as unknown as { ran?: number }).ran ?? null,
      strangers: document.querySelectorAll('img[onerror], svg[onload], iframe, script:not([src])')
        .length,
    }));
    expect(found).toEqual({ ran: null, strangers: 0 });
  });

  it('reads a real image all the same', async () => {
    const wizard = new Wizard(app);
    await wizard.open();
    await wizard.browseIso(await guest('debian-netboot.iso'));
    await wizard.dialog.locator('[data-test="iso-os"]', { hasText: 'Debian' }).waitFor();
    await app.page.keyboard.press('Escape');
  });
});

/** ECMA-119 8.4: a primary volume descriptor with this identifier and a terminator; no directory worth the name. */
function isoWithVolumeId(id: string): Buffer {
  const image = Buffer.alloc(18 * 2048);
  for (const [sector, type] of [
    [16, 1],
    [17, 255],
  ] as const) {
    image[sector * 2048] = type;
    image.write('CD001', sector * 2048 + 1, 'latin1');
    image[sector * 2048 + 6] = 1;
  }
  image.write(id.slice(0, 32).padEnd(32), 16 * 2048 + 40, 'latin1');
  image.writeUInt32LE(18, 16 * 2048 + 80);
  image.writeUInt16LE(2048, 16 * 2048 + 128);
  return image;
}
