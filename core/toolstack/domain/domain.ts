import {
  DomusError,
  type DomainConfig,
  type DomainInfo,
  type DomainPerformance,
  type DomainState,
  type DomainStats,
  type EndAction,
  type VifConfig,
  type VifInfo,
} from '../../api';
import type { TimerHost } from '../../host';
import { afterInstall, installNotice } from '../install';
import type { HeldVif } from '../net';
import type { DomainEvent, DomainRequests, EndKind } from '../protocol';
import { bytesOfBase64, DomainConnection, type SpawnDomain } from './connection';
import { withMedium } from './medium';

/** A guest that ends sooner than this after its start is not started again by `restart`: it would go on for ever (xend: "VM restarting too fast"). */
const MINIMUM_RESTART_MS = 10_000;

export const NO_STATS: DomainStats = {
  cpu: 0,
  cpuSeconds: 0,
  blocked: false,
  rssBytes: 0,
  mips: 0,
  diskReadBytes: 0,
  diskWriteBytes: 0,
  netRxBytes: 0,
  netTxBytes: 0,
};

export interface DomainServices {
  readonly timers: TimerHost;
  readonly spawn: SpawnDomain;
  /** Address of the socket whose end tells domain processes that this process is gone; null where their channel tells. */
  readonly lifeline: string | null;
  readonly nextDomid: () => number;
  /** Gives a card its place on its network. Rejects with a DomusError when it cannot have one. */
  readonly plugIn: (vif: VifConfig) => Promise<HeldVif>;
}

/** How the last run of a domain ended; `died` is the domain process ending by itself. */
export interface DomainEnd {
  readonly how: EndKind | 'destroyed' | 'died';
  readonly reason: string;
}

export interface DomainListener {
  /** State, configuration or reason changed. */
  onChange(domain: Domain): void;
  onStats(domain: Domain): void;
  /** The domain has changed its own configuration, which is to be kept; `onChange` follows. */
  onReconfigured(domain: Domain): void;
  /** Serial output, base64. More is sent when the promise, if there is one, is done. */
  onConsole(domain: Domain, data: string): void | Promise<void>;
  onNotice(domain: Domain, level: 'info' | 'warn' | 'error', message: string): void;
  /** A run is over and is not followed by a restart. */
  onEnd(domain: Domain, end: DomainEnd): void;
}

/** One run of the guest: from the start of its process to its end. */
interface Run {
  readonly connection: DomainConnection;
  readonly domid: number;
  readonly startedAtMs: number;
  readonly startedMonotonicMs: number;
  vncPort: number | null;
  ready: boolean;
  end: DomainEnd | undefined;
  /** The guest is over, its process stays to be looked at. */
  kept: boolean;
  /** Its guest has installed a system, which is started however quickly that went. */
  installed: boolean;
  /** The machine it has: the configuration at its start, with the discs and cables of now. */
  config: DomainConfig;
  /** Its places on networks, given back when the process is gone. */
  readonly vifs: HeldVif[];
}

/**
 * A domain's life in libxl's words:
 *
 *   shutoff --start--> running <--pause/unpause--> paused      running --guest ends--> shutoff | crashed
 *   running, paused --destroy--> shutoff                        crashed --start--> running
 *
 * `on_poweroff`, `on_reboot` and `on_crash` decide what follows the end of a guest.
 */
export class Domain {
  state: DomainState = 'shutoff';
  reason = '';
  private run: Run | undefined;
  private stats: DomainStats = NO_STATS;
  private restartWanted = false;
  private lastConsole: { data: string; dropped: number } | undefined;

  constructor(
    private services: DomainServices,
    private readonly listener: DomainListener,
    public config: DomainConfig,
  ) {}

  get info(): DomainInfo {
    return {
      config: this.config,
      state: this.state,
      domid: this.run?.domid ?? null,
      reason: this.reason,
      startedAtMs: this.run?.startedAtMs ?? null,
      vncPort: this.run?.vncPort ?? null,
      stats: this.stats,
      ...(this.run?.ready && { machine: this.run.config }),
    };
  }

  /** True while a process belongs to it. */
  get active(): boolean {
    return this.run !== undefined;
  }

  get pid(): number | undefined {
    return this.run?.connection.pid;
  }

  async start(paused: boolean): Promise<void> {
    if (this.run)
      throw new DomusError(
        'BAD_STATE',
        this.run.ready
          ? `${this.config.name} is running already`
          : `${this.config.name} is being started`,
      );
    const run: Run = {
      connection: new DomainConnection(
        this.services.spawn(this.config.name),
        this.services.timers,
        {
          onEvent: (event) => this.onEvent(run, event),
          onExit: (how) => this.onExit(run, how),
        },
      ),
      domid: this.services.nextDomid(),
      startedAtMs: this.services.timers.wallMs(),
      startedMonotonicMs: this.services.timers.monotonicMs(),
      vncPort: null,
      ready: false,
      end: undefined,
      kept: false,
      installed: false,
      config: this.config,
      vifs: [],
    };
    this.run = run;
    this.stats = NO_STATS;
    this.restartWanted = false;
    this.lastConsole = undefined;
    try {
      for (const vif of this.config.vif) run.vifs.push(await this.services.plugIn(vif));
      const { vncPort } = await run.connection.request('start', {
        config: this.config,
        vifs: run.vifs.map(({ network, uplink, guestHost }) => ({ network, uplink, guestHost })),
        domid: run.domid,
        paused,
        lifeline: this.services.lifeline,
      });
      run.vncPort = vncPort;
      run.ready = true;
      // One that finds its disk full at once is paused before its answer is seen.
      if (this.state === 'paused') this.listener.onChange(this);
      else this.setState(paused ? 'paused' : 'running', '');
    } catch (cause) {
      run.end ??= {
        how: 'destroyed',
        reason: cause instanceof Error ? cause.message : String(cause),
      };
      await run.connection.quit();
      for (const vif of run.vifs) vif.release();
      if (this.run === run) this.run = undefined;
      throw cause;
    }
  }

  /** Resolves when the domain has told that it is paused: its messages come in order, replies to requests may be overtaken. */
  async pause(): Promise<void> {
    this.expect('running', 'paused');
    await this.live.connection.request('pause', null);
  }

  async unpause(): Promise<void> {
    this.expect('paused', 'unpaused');
    await this.live.connection.request('unpause', null);
  }

  /** Presses the ACPI power button; the guest decides when it powers off. */
  async shutdown(): Promise<void> {
    this.expect('running', 'shut down');
    await this.live.connection.request('powerButton', null);
  }

  /** Presses the ACPI power button and starts the domain again when the guest has powered off. */
  async reboot(): Promise<void> {
    await this.shutdown();
    this.restartWanted = true;
  }

  async reset(): Promise<void> {
    await this.live.connection.request('reset', null);
  }

  /** Ends the guest at once. Its images are flushed; what the guest had not written is lost. */
  async destroy(reason = 'it was forced off'): Promise<void> {
    const { run } = this;
    if (!run) throw new DomusError('BAD_STATE', `${this.config.name} is not running`);
    run.end = { how: 'destroyed', reason };
    run.kept = false;
    await run.connection.quit();
  }

  /** Kills the process without a word, for the last resort. */
  kill(): void {
    this.run?.connection.kill();
  }

  screenshot(): Promise<DomainRequests['screenshot'][1]> {
    return this.live.connection.request('screenshot', null);
  }

  async sendKeys(scancodes: number[]): Promise<void> {
    await this.live.connection.request('sendKeys', { scancodes });
  }

  /** What the CPU engine of the running guest has counted. */
  performance(): Promise<DomainPerformance> {
    return this.live.connection.request('performance', null);
  }

  /** Puts a CD image into a drive of the running guest, '' empties it, and remembers it. */
  async changeMedium(vdev: string, path: string, force: boolean): Promise<void> {
    const run = this.live;
    await run.connection.request('changeMedium', { vdev, path, force });
    run.config = withMedium(run.config, vdev, path);
    this.config = withMedium(this.config, vdev, path);
  }

  /** The network cards of the running guest. */
  networkList(): Promise<VifInfo[]> {
    return this.live.connection.request('networkList', null);
  }

  /** Plugs a card's cable in or pulls it. */
  async networkLink(devid: number, up: boolean): Promise<void> {
    const run = this.live;
    await run.connection.request('networkLink', { devid, up });
    const vif = run.config.vif.map((card, i) => (i === devid ? { ...card, link: up } : card));
    run.config = { ...run.config, vif };
  }

  /** Writes a card's frames to a new file; '' ends that. */
  async networkCapture(devid: number, path: string): Promise<void> {
    await this.live.connection.request('networkCapture', { devid, path });
  }

  typeText(text: string): Promise<{ skipped: string[] }> {
    return this.live.connection.request('typeText', { text });
  }

  /** Serial output since boot; of the last run when the domain is off. Console events follow. */
  async consoleHistory(): Promise<{ data: string; dropped: number }> {
    if (this.run?.ready) return this.run.connection.request('consoleHistory', null);
    return this.lastConsole ?? { data: '', dropped: 0 };
  }

  async consoleWrite(data: string): Promise<void> {
    await this.live.connection.request('consoleWrite', { data });
  }

  private get live(): Run {
    if (!this.run?.ready) throw new DomusError('BAD_STATE', `${this.config.name} is not running`);
    return this.run;
  }

  private expect(state: DomainState, verb: string): void {
    if (this.state !== state || !this.run?.ready)
      throw new DomusError(
        'BAD_STATE',
        `${this.config.name} is ${this.state === 'shutoff' ? 'shut off' : this.state} and cannot be ${verb}`,
      );
  }

  private setState(state: DomainState, reason: string): void {
    this.state = state;
    this.reason = reason;
    this.listener.onChange(this);
  }

  private onEvent(run: Run, event: DomainEvent): void {
    if (this.run !== run) return;
    if (event.event === 'stats') {
      const { event: _, ...stats } = event;
      this.stats = stats;
      this.listener.onStats(this);
    } else if (event.event === 'console') {
      void this.passOn(run, event.data);
    } else if (event.event === 'notice') this.listener.onNotice(this, event.level, event.message);
    else if (event.event === 'installed') this.installed(run);
    else if (event.event === 'ejected') this.ejected(run, event.vdev);
    else if (event.event === 'paused') this.setState('paused', event.reason);
    else if (event.event === 'unpaused') this.setState('running', '');
    else if (event.event === 'rebooted') this.listener.onNotice(this, 'info', 'the guest rebooted');
    else void this.guestEnded(run, event);
  }

  /** The guest has installed a system: from its next start on it runs that one. */
  private installed(run: Run): void {
    const before = this.config;
    if (before.install !== true) return;
    run.installed = true;
    this.config = afterInstall(before);
    this.listener.onReconfigured(this);
    this.listener.onChange(this);
    this.listener.onNotice(this, 'info', installNotice(before));
  }

  /** The guest has put a disc out: it stays out. */
  private ejected(run: Run, vdev: string): void {
    const disc = run.config.disk.find((disk) => disk.vdev === vdev && disk.cdrom)?.target ?? '';
    run.config = withMedium(run.config, vdev, '');
    this.config = withMedium(this.config, vdev, '');
    this.listener.onReconfigured(this);
    this.listener.onChange(this);
    if (disc !== '')
      this.listener.onNotice(this, 'info', `${this.config.name} has ejected its CD (${disc})`);
  }

  private async passOn(run: Run, data: string): Promise<void> {
    await this.listener.onConsole(this, data);
    await run.connection
      .request('consoleCredit', { bytes: bytesOfBase64(data) })
      .catch(() => undefined);
  }

  /** The guest is over: fetch what is worth keeping, then let the process go, unless it is to be preserved. */
  private async guestEnded(
    run: Run,
    { how, reason, kept }: { how: EndKind; reason: string; kept: boolean },
  ): Promise<void> {
    run.end ??= { how, reason };
    run.kept = kept;
    this.lastConsole = await run.connection.request('consoleHistory', null).catch(() => undefined);
    if (!kept) return run.connection.quit();
    this.setState(how === 'crash' ? 'crashed' : 'paused', `${reason}; it is kept to be looked at`);
    this.listener.onEnd(this, run.end);
  }

  private onExit(run: Run, how: string): void {
    for (const vif of run.vifs) vif.release();
    if (this.run !== run) return;
    this.run = undefined;
    this.stats = NO_STATS;
    if (!run.ready) return;
    const end = run.end ?? { how: 'died' as const, reason: `the domain process ended (${how})` };
    const crashed = end.how === 'crash' || end.how === 'died';
    this.setState(
      crashed ? 'crashed' : 'shutoff',
      end.how === 'poweroff' || end.how === 'destroyed' ? '' : end.reason,
    );
    if (!run.kept) this.follow(run, end);
  }

  /** Carries out on_poweroff, on_reboot, on_crash. */
  private follow(run: Run, end: DomainEnd): void {
    if (!this.shallRestart(end)) return this.listener.onEnd(this, end);
    const ranMs = this.services.timers.monotonicMs() - run.startedMonotonicMs;
    if (ranMs < MINIMUM_RESTART_MS && !this.restartWanted && !run.installed) {
      this.listener.onNotice(
        this,
        'warn',
        `${this.config.name} ended ${(ranMs / 1000).toFixed(1)} s after its start (${end.reason}); it is not started again so soon`,
      );
      return this.listener.onEnd(this, end);
    }
    this.start(false).catch((cause: unknown) => {
      const message = cause instanceof Error ? cause.message : String(cause);
      this.setState('shutoff', message);
      this.listener.onNotice(
        this,
        'error',
        `${this.config.name} could not be started again: ${message}`,
      );
      this.listener.onEnd(this, end);
    });
  }

  private shallRestart(end: DomainEnd): boolean {
    if (end.how === 'destroyed') return false;
    if (end.how === 'poweroff' && this.restartWanted) return true;
    const actions: Record<EndKind | 'died', EndAction> = {
      poweroff: this.config.on_poweroff,
      reboot: this.config.on_reboot,
      crash: this.config.on_crash,
      died: this.config.on_crash,
    };
    const action = actions[end.how];
    return action === 'restart' || action === 'rename-restart';
  }
}
