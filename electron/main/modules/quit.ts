import { app, dialog } from 'electron';
import type { DomainInfo, QuitAnswer, ToolstackClient } from '../../../core/api';
import type { IpcServer } from '../ipc/server';
import type { MainWindow } from './window';

/** Time that guests get when the system ends the session and nobody can be asked. */
const SESSION_END_GRACE_MS = 10_000;

/** Leaving the app: virtual machines are asked about once, all together, and nothing stops while the question is open. */
export class Quit {
  readonly #live = new Map<string, DomainInfo>();
  #settled = false;
  #waiting = false;
  #cleanUp: () => Promise<void> = () => Promise.resolve();

  constructor(
    private readonly client: ToolstackClient,
    private readonly window: MainWindow,
  ) {}

  async start(ipc: IpcServer, cleanUp: () => Promise<void>): Promise<void> {
    this.#cleanUp = cleanUp;
    this.client.onEvent((event) => {
      if (event.type === 'domain-changed') this.#note(event.domain);
      else if (event.type === 'domain-removed') this.#live.delete(event.uuid);
      else return;
      this.#advance();
    });
    for (const domain of await this.client.call('domain/list', {})) this.#note(domain);
    ipc.handle('quit/answer', async ({ answer }) => {
      await this.#answer(answer);
      return null;
    });
    app.on('before-quit', (event) => {
      if (this.#settled) return;
      event.preventDefault();
      this.#ask(false);
    });
    app.on('window-all-closed', () => app.quit());
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
      process.on(signal, () => void this.#sessionEnds());
  }

  /** The close button: `true` lets the window go. */
  mayClose(): boolean {
    if (this.#settled) return true;
    this.#ask(true);
    return false;
  }

  #note(domain: DomainInfo): void {
    if (domain.state === 'running' || domain.state === 'paused')
      this.#live.set(domain.config.uuid, domain);
    else this.#live.delete(domain.config.uuid);
  }

  #ask(closing: boolean): void {
    if (this.#live.size === 0) {
      void this.#leave();
      return;
    }
    const running = this.#names();
    const window = this.window.current;
    if (window !== null && !window.webContents.isCrashed() && !window.webContents.isLoading()) {
      window.show();
      this.window.send('quit/ask', { running, closing });
      return;
    }
    void this.#askNatively(running);
  }

  async #askNatively(running: string[]): Promise<void> {
    const answers: QuitAnswer[] = ['shutdown', 'force-off', 'background', 'cancel'];
    const { response } = await dialog.showMessageBox({
      type: 'question',
      title: 'Domus',
      message: 'Virtual machines are running.',
      detail: running.join('\n'),
      buttons: ['Shut Down All', 'Force Off All', 'Keep Running in Background', 'Cancel'],
      defaultId: 3,
      cancelId: 3,
    });
    await this.#answer(answers[response] ?? 'cancel');
  }

  async #answer(answer: QuitAnswer): Promise<void> {
    this.#waiting = false;
    switch (answer) {
      case 'cancel':
        return;
      case 'background':
        this.window.current?.hide();
        return;
      case 'shutdown':
        this.#waiting = true;
        await this.#each(async (uuid, domain) => {
          if (domain.state === 'paused') await this.client.call('domain/unpause', { domain: uuid });
          await this.client.call('domain/shutdown', { domain: uuid });
        });
        this.#advance();
        return;
      case 'force-off':
        this.#waiting = true;
        await this.#each((uuid) => this.client.call('domain/destroy', { domain: uuid }));
        this.#advance();
    }
  }

  /** While waiting: says who is still up, and leaves when nobody is. */
  #advance(): void {
    if (!this.#waiting) return;
    if (this.#live.size === 0) void this.#leave();
    else this.window.send('quit/progress', { waiting: this.#names() });
  }

  async #leave(): Promise<void> {
    if (this.#settled) return;
    this.#settled = true;
    await this.#cleanUp().catch(() => undefined);
    app.quit();
  }

  async #sessionEnds(): Promise<void> {
    if (this.#live.size > 0 && !this.#settled) {
      await this.#answer('shutdown').catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, SESSION_END_GRACE_MS));
      if (this.#live.size > 0) await this.#answer('force-off').catch(() => undefined);
    }
    await this.#leave();
  }

  /** One refusal must not keep the others from being asked. */
  async #each(act: (uuid: string, domain: DomainInfo) => Promise<unknown>): Promise<void> {
    await Promise.allSettled([...this.#live].map(([uuid, domain]) => act(uuid, domain)));
  }

  #names(): string[] {
    return [...this.#live.values()].map((domain) => domain.config.name);
  }
}
