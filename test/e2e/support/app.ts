import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { _electron, errors, type ElectronApplication, type Page } from 'playwright-core';
import type { DomainInfo, MenuCommand, Preferences } from '../../../core/api';
import { testDisplay } from './display';
import { removeHome } from './folders';
import { electronExecutable, ROOT } from './runtime';

/** How long the app may take for what a person sees at once; machines that run the tests may be busy. */
export const PATIENCE_MS = 60_000;

export interface LaunchOptions {
  /** A home from an earlier launch, to see what survived. */
  home?: string;
  /** Folder of the app; the checkout when not given. */
  appFolder?: string;
  preferences?: Partial<Preferences>;
  /** Without root's right to read what its mode forbids (capabilities(7)), for tests that run as root. */
  unprivileged?: boolean;
  /** More of the environment. */
  environment?: Readonly<Record<string, string>>;
}

/** A program that drops root's file privileges and becomes `executable`. */
function withoutPrivilege(executable: string, home: string): string {
  const path = join(home, 'unprivileged');
  const command = 'setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all';
  writeFileSync(path, `#!/bin/sh\nexec ${command} '${executable}' "$@"\n`, { mode: 0o700 });
  return path;
}

/** The user's environment with a home, a display and no session bus of its own. */
function environmentFor(home: string, display: string): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !/^(ELECTRON_|VITEST|NODE_OPTIONS|DBUS_)/.test(name))
      environment[name] = value;
  }
  return {
    ...environment,
    DISPLAY: display,
    HOME: home,
    XDG_CONFIG_HOME: join(home, 'config'),
    XDG_RUNTIME_DIR: join(home, 'run'),
    DOMUS_HOME: join(home, 'domus'),
    DBUS_SESSION_BUS_ADDRESS: 'disabled:',
    DBUS_SYSTEM_BUS_ADDRESS: 'disabled:',
    LANG: 'en_GB.UTF-8',
  };
}

/**
 * Playwright holds the app back until it has attached itself, and once in some hundred starts it never lets go: no line of
 * the app has run by then, so it is started once more.
 */
async function launchElectron(
  options: Parameters<typeof _electron.launch>[0],
): Promise<ElectronApplication> {
  try {
    return await _electron.launch(options);
  } catch (cause) {
    if (!(cause instanceof errors.TimeoutError)) throw cause;
    process.stderr.write(`e2e: Playwright did not let the app begin; once more\n`);
    return _electron.launch(options);
  }
}

/** The real app on a display and in a home of its own. */
export class DomusApp {
  /** What the page wrote to its console as errors or warnings; tests look that it stays empty. */
  readonly complaints: string[] = [];
  private readonly process: ChildProcess;

  private constructor(
    readonly electron: ElectronApplication,
    readonly page: Page,
    readonly home: string,
    /** What it was started with, to start it a second time. */
    readonly command: readonly string[],
    readonly environment: Readonly<Record<string, string>>,
  ) {
    this.process = electron.process();
    this.ended = new Promise((resolve) => this.process.once('exit', resolve));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning')
        this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(error.message));
  }

  static async launch(options: LaunchOptions = {}): Promise<DomusApp> {
    const display = await testDisplay();
    const home = options.home ?? mkdtempSync(join(tmpdir(), 'domus-e2e-'));
    mkdirSync(join(home, 'run'), { recursive: true, mode: 0o700 });
    const environment = { ...environmentFor(home, display.name), ...options.environment };
    const electronPath = await electronExecutable();
    const executable =
      options.unprivileged === true && process.getuid?.() === 0
        ? withoutPrivilege(electronPath, home)
        : electronPath;
    const args = [
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      options.appFolder ?? ROOT,
    ];
    const electron = await launchElectron({
      executablePath: executable,
      args,
      env: environment,
      colorScheme: null,
      timeout: PATIENCE_MS,
    });
    const page = await electron.firstWindow({ timeout: PATIENCE_MS });
    page.setDefaultTimeout(PATIENCE_MS);
    const app = new DomusApp(electron, page, home, [executable, ...args], environment);
    await page.waitForSelector('[data-test="tree-host"]');
    if (options.preferences !== undefined) await app.setPreferences(options.preferences);
    return app;
  }

  get dataFolder(): string {
    return join(this.home, 'domus');
  }

  /** Answers the next file dialogs of the system, which Playwright cannot reach, with this path; null cancels. */
  async chooseInDialogs(path: string | null): Promise<void> {
    await this.electron.evaluate(({ dialog }, chosen) => {
      dialog.showOpenDialog = () =>
        Promise.resolve({ canceled: chosen === null, filePaths: chosen === null ? [] : [chosen] });
      dialog.showSaveDialog = () =>
        Promise.resolve({ canceled: chosen === null, filePath: chosen ?? '' });
    }, path);
  }

  /** Presses this button in the next question boxes of the system; counts from 0. */
  async answerQuestions(button: number): Promise<void> {
    await this.electron.evaluate(({ dialog }, response) => {
      dialog.showMessageBox = () => Promise.resolve({ response, checkboxChecked: false });
    }, button);
  }

  /** Clicks an item of the menu bar. */
  async menu(id: MenuCommand): Promise<void> {
    await this.electron.evaluate(({ Menu }, wanted) => {
      const item = Menu.getApplicationMenu()?.getMenuItemById(wanted);
      if (item === null || item === undefined) throw new Error(`no menu item ${wanted}`);
      if (!item.enabled) throw new Error(`the menu item ${wanted} is off`);
      // Electron declares `click` as a bare Function.
      const clickable: unknown = item;
      (clickable as { click: () => void }).click();
    }, id);
  }

  setPreferences(patch: Partial<Preferences>): Promise<void> {
    return this.page.evaluate(
      async (wanted) => void (await window.domus.setPreferences(wanted)),
      patch,
    );
  }

  /** Virtual machines as the toolstack has them. */
  domains(): Promise<DomainInfo[]> {
    return this.page.evaluate(async () => {
      const reply = await window.domus.call('domain/list', {});
      if (!reply.ok) throw new Error(reply.error.message);
      return reply.value;
    });
  }

  async domain(name: string): Promise<DomainInfo> {
    const found = (await this.domains()).find((domain) => domain.config.name === name);
    if (found === undefined) throw new Error(`no virtual machine ${name}`);
    return found;
  }

  /** The guest's screen as text, when it is in a text mode. */
  screenText(name: string): Promise<string> {
    return this.page.evaluate(async (domain) => {
      const reply = await window.domus.call('domain/screenshot', { domain });
      return reply.ok ? (reply.value.text ?? []).join('\n') : '';
    }, name);
  }

  /** The guest's screen as the toolstack has it, whatever the VNC tab makes of it. */
  async screenPixels(name: string): Promise<PNG> {
    const png = await this.page.evaluate(async (domain) => {
      const reply = await window.domus.call('domain/screenshot', { domain });
      if (!reply.ok) throw new Error(reply.error.message);
      return reply.value.png;
    }, name);
    return PNG.sync.read(Buffer.from(png, 'base64'));
  }

  /** What the virtual machines show and do, for whoever reads why a test has failed. */
  private async situation(): Promise<string> {
    const seen = await this.page.evaluate(async () => {
      const list = await window.domus.call('domain/list', {});
      if (!list.ok) return [list.error.message];
      const counts = async (domain: string): Promise<string> => {
        const reply = await window.domus.call('domain/performance', { domain });
        if (!reply.ok) return reply.error.message;
        const { instructions, interpreted, busyNs, interrupts, halts, faults } = reply.value;
        return JSON.stringify({ instructions, interpreted, busyNs, interrupts, halts, faults });
      };
      return Promise.all(
        list.value.map(async ({ config: { name }, state }) => {
          const before = await counts(name);
          await new Promise((wake) => setTimeout(wake, 1000));
          const after = await counts(name);
          const shot = await window.domus.call('domain/screenshot', { domain: name });
          const screen = shot.ok
            ? (shot.value.text?.join('\n') ?? `${shot.value.width} x ${shot.value.height} pixels`)
            : shot.error.message;
          return `${name}, ${state}: ${before}, a second later ${after}\n${screen}`;
        }),
      );
    });
    return seen.join('\n');
  }

  /** Waits until `holds` is true; fails with `what` when it is not in time. */
  async until(
    what: string,
    holds: () => Promise<boolean>,
    patienceMs = PATIENCE_MS,
  ): Promise<void> {
    const deadline = Date.now() + patienceMs;
    while (!(await holds())) {
      if (Date.now() > deadline)
        throw new Error(`not in ${patienceMs / 1000} s: ${what}\n${await this.situation()}`);
      await new Promise((wake) => setTimeout(wake, 150));
    }
  }

  /** Status of the app when it has ended. */
  readonly ended: Promise<number | null>;

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** Ends the app at once, as a crash would; its domain processes end by themselves. */
  async kill(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null)
      this.process.kill('SIGKILL');
    await this.ended;
  }

  /** Ends the app and removes what it left. */
  async dispose(): Promise<void> {
    await this.kill();
    await removeHome(this.home);
  }
}
