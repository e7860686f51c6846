import {
  DomusError,
  STATS_SECONDS,
  type DomainConfig,
  type DomainInfo,
  type HostInfo,
  type ToolstackEvent,
} from '../api';
import { Emitter, type Dispose } from '../base';
import type {
  CompressionHost,
  FileHost,
  FrameLinkHost,
  HeldLock,
  HostSample,
  Lifeline,
  LifelineHost,
  LockHost,
  SocketHost,
  SystemHost,
  TimerHost,
} from '../host';
import { identityOf } from '../host';
import { checkStart, promisedMiB, requireOff } from './domain/checks';
import type { SpawnDomain } from './domain/connection';
import { Domain, type DomainEnd, type DomainListener } from './domain/domain';
import { DomainStore, type StoredState } from './domain/store';
import { removeInstallFiles } from './install';
import { Networks } from './net';
import { Storage } from './storage';
import { TaskBoard } from './tasks';
import { Trash } from './trash';

/** What the toolstack needs of the machine it runs on; `nodeHost` of core/host-node is one. */
export interface ToolstackHost {
  readonly files: FileHost;
  readonly locks: LockHost;
  readonly sockets: SocketHost;
  readonly system: SystemHost;
  readonly timers: TimerHost;
  readonly lifeline: LifelineHost;
  readonly frameLinks: FrameLinkHost;
  /** Without it compressed parts of images cannot be read here. */
  readonly compression?: CompressionHost;
}

export interface ToolstackOptions {
  readonly host: ToolstackHost;
  /** Definitions, state and images live here; one toolstack at a time uses it. */
  readonly dataDir: string;
  /** Starts a domain process: a utility process in Electron, a forked one elsewhere. */
  readonly spawnDomain: SpawnDomain;
  /** Told to a second toolstack that wants the same data: 'the Domus app', 'domus daemon'. */
  readonly ownerName: string;
  readonly version: string;
}

/** All domains of one data directory and what can be done with them. */
export class Toolstack {
  readonly tasks: TaskBoard;
  readonly networks: Networks;
  readonly storage: Storage;
  readonly trash: Trash;
  readonly events = new Emitter<ToolstackEvent>();
  /** What was wrong with stored definitions; nobody listened yet when they were loaded. */
  readonly loadProblems: string[] = [];
  private readonly domains = new Map<string, Domain>();
  private readonly definedAt = new Map<string, number>();
  private readonly store: DomainStore;
  private lastDomid = 0;
  private hostSample: HostSample;
  private readonly stopStats: Dispose;
  /** State files are written one after another, in the order of the changes. */
  private saving: Promise<void> = Promise.resolve();

  private constructor(
    readonly options: ToolstackOptions,
    private readonly home: HeldLock,
    private readonly lifeline: Lifeline,
  ) {
    const { files, timers, system } = options.host;
    this.store = new DomainStore(files, options.dataDir);
    this.networks = new Networks(options.host, options.dataDir);
    this.storage = new Storage(this);
    this.trash = new Trash(this);
    this.tasks = new TaskBoard(timers, (task) => this.events.fire({ type: 'task', task }));
    this.hostSample = system.sample();
    this.stopStats = timers.every(STATS_SECONDS * 1000, () => this.sampleStats());
  }

  /** Takes the data directory, or says who has it, and loads what is defined there. */
  static async open(options: ToolstackOptions): Promise<Toolstack> {
    const { files, locks, system, lifeline } = options.host;
    await files.makeDirectory(options.dataDir);
    const info = await files.stat(options.dataDir);
    if (!info || info.kind !== 'directory')
      throw new DomusError('INTERNAL', `${options.dataDir} is not a directory`);
    const taken = await locks.acquire(`home.${identityOf(info)}`, 'exclusive', {
      pid: system.pid,
      name: options.ownerName,
    });
    if (!('lock' in taken)) {
      const who = taken.owner
        ? `${taken.owner.name} (process ${taken.owner.pid})`
        : 'another Domus';
      throw new DomusError(
        'BAD_STATE',
        `${options.dataDir} is in use by ${who}; only one at a time can manage its domains`,
      );
    }
    const toolstack = new Toolstack(options, taken.lock, await lifeline.open());
    await toolstack.load();
    return toolstack;
  }

  /** Forces every domain off and gives the data directory back. */
  async close(): Promise<void> {
    this.stopStats();
    await Promise.allSettled(
      [...this.domains.values()]
        .filter((domain) => domain.active)
        .map((domain) => domain.destroy('Domus ended')),
    );
    await this.saving;
    await this.lifeline.close();
    await this.home.release();
  }

  get hostInfo(): HostInfo {
    const { hostname, cpus, cpuModel, cpu, memoryBytes, memoryFreeBytes } = this.hostSample;
    return {
      hostname,
      cpus,
      cpuModel,
      cpu,
      memoryBytes,
      memoryFreeBytes,
      version: this.options.version,
    };
  }

  list(): DomainInfo[] {
    return [...this.domains.values()]
      .map((domain) => domain.info)
      .sort((a, b) => a.config.name.localeCompare(b.config.name));
  }

  /** Finds a domain by name, uuid or domid. */
  find(key: string): Domain {
    for (const domain of this.domains.values()) {
      const { config, domid } = domain.info;
      if (
        config.name === key ||
        config.uuid === key.toLowerCase() ||
        (domid !== null && String(domid) === key)
      )
        return domain;
    }
    throw new DomusError('NO_SUCH_DOMAIN', `there is no domain ${JSON.stringify(key)}`);
  }

  /** True when a name is free for a domain other than `uuid`. */
  isNameFree(name: string, uuid?: string): boolean {
    return [...this.domains.values()].every(
      ({ config }) => config.name !== name || config.uuid === uuid,
    );
  }

  /** Stores a new definition; `save` when that takes more than writing it. */
  async define(config: DomainConfig, save?: () => Promise<void>): Promise<DomainInfo> {
    this.requireFree(config);
    const domain = this.add(config);
    try {
      await (save ? save() : this.store.save(config, this.stateOf(domain)));
    } catch (cause) {
      this.forget(config.uuid);
      throw cause;
    }
    this.events.fire({ type: 'domain-changed', domain: domain.info });
    return domain.info;
  }

  /** Replaces the definition of a domain; a running guest keeps the machine it has until its next start. */
  async redefine(domain: Domain, config: DomainConfig): Promise<DomainInfo> {
    if (config.uuid !== domain.config.uuid)
      throw new DomusError('INVALID_CONFIG', `the uuid of ${domain.config.name} cannot be changed`);
    this.requireName(config.name, config.uuid);
    await this.store.save(config, this.stateOf(domain));
    domain.config = config;
    this.events.fire({ type: 'domain-changed', domain: domain.info });
    return domain.info;
  }

  async start(domain: Domain, paused: boolean): Promise<DomainInfo> {
    const { files, system } = this.options.host;
    await checkStart(files, domain.config, system.sample(), this.promisedMiB(domain));
    if (!this.domains.has(domain.config.uuid))
      throw new DomusError('NO_SUCH_DOMAIN', `${domain.config.name} has just been deleted`);
    await domain.start(paused);
    return domain.info;
  }

  /** Memory that running domains (other than `except`) were given and have not touched yet, MiB. */
  promisedMiB(except?: Domain): number {
    return [...this.domains.values()]
      .filter((domain) => domain.active && domain !== except)
      .reduce((sum, { info }) => sum + promisedMiB(info.config, info.stats.rssBytes), 0);
  }

  /** Takes a domain that is off out of the list while `act` does away with what is stored of it; it is back when that fails. */
  async withoutDomain<T>(domain: Domain, act: () => Promise<T>): Promise<T> {
    const { uuid, name } = domain.config;
    requireOff(domain);
    if (this.domains.get(uuid) !== domain)
      throw new DomusError('NO_SUCH_DOMAIN', `${name} has been deleted already`);
    const definedAtMs = this.definedAt.get(uuid) ?? 0;
    this.forget(uuid);
    await this.saving;
    try {
      const result = await act();
      this.events.fire({ type: 'domain-removed', uuid });
      return result;
    } catch (cause) {
      this.domains.set(uuid, domain);
      this.definedAt.set(uuid, definedAtMs);
      this.saveState(domain);
      throw cause;
    }
  }

  /** Refuses a new domain whose name or uuid another one has. */
  requireFree({ name, uuid }: DomainConfig): void {
    this.requireName(name, uuid);
    if (this.domains.has(uuid))
      throw new DomusError('NAME_TAKEN', `a domain with the uuid ${uuid} exists already`);
  }

  notice(level: 'info' | 'warn' | 'error', domain: string | null, message: string): void {
    this.events.fire({ type: 'notice', level, domain, message });
  }

  private requireName(name: string, uuid: string): void {
    if (!this.isNameFree(name, uuid))
      throw new DomusError(
        'NAME_TAKEN',
        `a domain with the name ${JSON.stringify(name)} exists already; choose another name`,
      );
  }

  private async load(): Promise<void> {
    const problem = (message: string): void => void this.loadProblems.push(message);
    const { host, dataDir } = this.options;
    for (const folder of ['', '/domains', '/networks', '/trash'])
      await host.files.removeLeftovers?.(`${dataDir}${folder}`).catch(() => undefined);
    await this.networks.load(problem);
    await this.trash.recover(problem);
    for (const { config, state } of await this.store.load(problem)) {
      if (!this.isNameFree(config.name)) {
        problem(
          `a stored domain cannot be used: the name ${JSON.stringify(config.name)} is there twice (${config.uuid})`,
        );
        continue;
      }
      const domain = this.add(config);
      this.definedAt.set(config.uuid, state.definedAtMs);
      const wasActive = state.state === 'running' || state.state === 'paused';
      domain.state = state.state === 'crashed' ? 'crashed' : 'shutoff';
      domain.reason = wasActive ? 'it was running when Domus ended' : state.reason;
    }
  }

  private add(config: DomainConfig): Domain {
    const { timers } = this.options.host;
    const domain = new Domain(
      {
        timers,
        spawn: this.options.spawnDomain,
        lifeline: this.lifeline.address,
        nextDomid: () => ++this.lastDomid,
        plugIn: (vif) => this.networks.plugIn(vif),
      },
      this.listener,
      config,
    );
    this.domains.set(config.uuid, domain);
    this.definedAt.set(config.uuid, timers.wallMs());
    return domain;
  }

  private forget(uuid: string): void {
    this.domains.delete(uuid);
    this.definedAt.delete(uuid);
  }

  private readonly listener: DomainListener = {
    onChange: (domain) => {
      this.saveState(domain);
      this.events.fire({ type: 'domain-changed', domain: domain.info });
    },
    onStats: () => undefined,
    onReconfigured: (domain) => this.saveInstalled(domain),
    onConsole: (domain, data) =>
      this.events.fire({ type: 'console', uuid: domain.config.uuid, data }),
    onNotice: (domain, level, message) => this.notice(level, domain.config.uuid, message),
    onEnd: (domain, end) => this.ended(domain, end),
  };

  private ended(domain: Domain, end: DomainEnd): void {
    if (end.how === 'destroyed') return;
    const level = end.how === 'poweroff' || end.how === 'reboot' ? 'info' : 'error';
    this.notice(level, domain.config.uuid, `${domain.config.name}: ${end.reason}`);
  }

  private stateOf(domain: Domain): StoredState {
    return {
      version: 1,
      state: domain.state,
      reason: domain.reason.slice(0, 1000),
      definedAtMs: this.definedAt.get(domain.config.uuid) ?? 0,
    };
  }

  private saveState(domain: Domain): void {
    const state = this.stateOf(domain);
    this.saveLater(domain, 'state', () => this.store.saveState(domain.config.uuid, state));
  }

  /** Keeps the configuration of an installed system; what started its installer is no longer needed. */
  private saveInstalled(domain: Domain): void {
    const { config } = domain;
    const state = this.stateOf(domain);
    const { host, dataDir } = this.options;
    this.saveLater(domain, 'configuration', async () => {
      await this.store.save(config, state);
      await removeInstallFiles(host.files, dataDir, config.uuid);
    });
  }

  private saveLater(domain: Domain, what: string, save: () => Promise<void>): void {
    const { uuid, name } = domain.config;
    this.saving = this.saving
      .then(() => (this.domains.has(uuid) ? save() : undefined))
      .catch((cause: unknown) =>
        this.notice(
          'error',
          uuid,
          `the ${what} of ${name} could not be stored: ${cause instanceof Error ? cause.message : String(cause)}`,
        ),
      );
  }

  private sampleStats(): void {
    this.hostSample = this.options.host.system.sample();
    if (this.events.size === 0) return;
    const domains: Record<string, DomainInfo['stats']> = {};
    for (const domain of this.domains.values())
      if (domain.active) domains[domain.config.uuid] = domain.info.stats;
    this.events.fire({ type: 'stats', host: this.hostInfo, domains });
  }
}
