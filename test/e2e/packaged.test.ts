import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PACKAGE_FOLDER, packageApp } from '../../build/package.mjs';
import { guest } from '../../build/guests.mjs';
import { testDisplay } from './support/display';
import { removeHome } from './support/folders';
import { DIST } from './support/runtime';

const execute = promisify(execFile);

/**
 * The packaged app has no inspector (its fuses are set), so Playwright's Electron driver cannot start it: it is
 * driven through Chromium's own debugging port instead.
 */
describe('the packaged app', () => {
  const home = mkdtempSync(join(tmpdir(), 'domus-packaged-'));
  let executable: string;
  let environment: NodeJS.ProcessEnv;
  let child: ChildProcess | undefined;
  let browser: Browser | undefined;

  beforeAll(async () => {
    executable = await packageApp();
    mkdirSync(join(home, 'run'), { mode: 0o700 });
    environment = {
      PATH: process.env['PATH'],
      DISPLAY: (await testDisplay()).name,
      HOME: home,
      XDG_CONFIG_HOME: join(home, 'config'),
      XDG_RUNTIME_DIR: join(home, 'run'),
      DOMUS_HOME: join(home, 'domus'),
      DBUS_SESSION_BUS_ADDRESS: 'disabled:',
      DBUS_SYSTEM_BUS_ADDRESS: 'disabled:',
    };
  });

  afterAll(async () => {
    await browser?.close().catch(() => undefined);
    if (child?.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await removeHome(home);
  });

  async function start(): Promise<Page> {
    const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    child = spawn(executable, [...sandbox, '--disable-gpu', '--remote-debugging-port=0'], {
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const endpoint = await debuggingEndpoint(child);
    await pageListed(endpoint);
    browser = await chromium.connectOverCDP(endpoint);
    return browser.contexts()[0].pages()[0];
  }

  it('shows its window', async () => {
    const page = await start();
    await page.waitForSelector('[data-test="tree-host"]');
    expect(page.url()).toMatch(/^app:\/\//);
    expect(await page.title()).toContain('Domus');
  });

  it('starts a domain process out of its archive', async () => {
    const config = join(home, 'packaged.cfg');
    const kernel = await guest('debian-amd64-linux');
    const ramdisk = await guest('busybox-initrd.gz');
    writeFileSync(
      config,
      `name = "packaged"\nmemory = 256\nkernel = "${kernel}"\nramdisk = "${ramdisk}"\nextra = "console=ttyS0"\n`,
    );
    const domus = async (...args: string[]): Promise<string> =>
      (await execute(process.execPath, [join(DIST, 'cli.mjs'), ...args], { env: environment }))
        .stdout;
    await domus('create', config);
    expect(JSON.parse(await domus('list', '--json'))).toMatchObject([
      { config: { name: 'packaged' }, state: 'running' },
    ]);
    await domus('destroy', 'packaged');
  });

  it('holds the app in an archive, without the loader of the runtime it was made from', () => {
    expect(existsSync(join(PACKAGE_FOLDER, 'resources/app.asar'))).toBe(true);
    expect(existsSync(join(PACKAGE_FOLDER, 'resources/app'))).toBe(false);
  });

  it('does not run as Node', async () => {
    const second = spawn(executable, ['-p', '"ran as " + "Node"'], {
      env: { ...environment, ELECTRON_RUN_AS_NODE: '1', DISPLAY: ':none' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    second.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const timer = setTimeout(() => second.kill('SIGKILL'), 20_000);
    await once(second, 'exit');
    clearTimeout(timer);
    expect(output).not.toContain('ran as Node');
  });
});

/** Chromium prints where its debugging port is once it listens. */
async function debuggingEndpoint(child: ChildProcess): Promise<string> {
  const seen: string[] = [];
  for await (const line of createInterface({ input: child.stderr! })) {
    seen.push(line);
    const endpoint = /DevTools listening on (ws:\S+)/.exec(line)?.[1];
    if (endpoint !== undefined) {
      child.stderr!.resume();
      return endpoint;
    }
  }
  throw new Error(`the packaged app ended before it had started:\n${seen.join('\n')}`);
}

/** Connecting before the window has loaded its page hangs now and then: Electron is not a whole Chromium. */
async function pageListed(endpoint: string): Promise<void> {
  const list = `http://${new URL(endpoint).host}/json/list`;
  for (;;) {
    const targets = (await (await fetch(list)).json()) as { type: string; url: string }[];
    if (targets.some(({ type, url }) => type === 'page' && url.startsWith('app://'))) return;
    await new Promise((wake) => setTimeout(wake, 100));
  }
}
