import { describe, expect, it } from 'vitest';
import type { DomainConfig } from '../../api';
import type { TimerHost } from '../../host';
import { parseConfig } from '../config';
import { plugInAlone } from '../net';
import type { DomainChild } from './connection';
import { Domain, type DomainEnd, type DomainListener } from './domain';

interface Request {
  id: number;
  method: string;
  params: unknown;
}

/** The far end of a domain process's channel, played by the test. */
class PlayedChild implements DomainChild {
  readonly pid = 4711;
  readonly requests: Request[] = [];
  alive = true;
  /** Answers requests as a healthy process would. */
  obedient = true;
  private message: (message: unknown) => void = () => undefined;
  private exit: (how: string) => void = () => undefined;

  post(request: object): void {
    this.requests.push(request as Request);
    queueMicrotask(() => this.obedient && this.answer(request as Request));
  }

  onMessage(listener: (message: unknown) => void): void {
    this.message = listener;
  }

  onExit(listener: (how: string) => void): void {
    this.exit = listener;
  }

  kill(): void {
    this.die('signal SIGKILL');
  }

  say(message: unknown): void {
    if (this.alive) this.message(message);
  }

  die(how: string): void {
    if (!this.alive) return;
    this.alive = false;
    this.exit(how);
  }

  get methods(): string[] {
    return this.requests.map(({ method }) => method);
  }

  private answer({ id, method }: Request): void {
    if (method === 'quit') return this.die('exit code 0');
    if (method === 'pause') this.say({ event: 'paused', reason: '' });
    if (method === 'unpause') this.say({ event: 'unpaused' });
    const results: Record<string, unknown> = {
      start: { vncPort: 5901 },
      consoleHistory: { data: 'bG9n', dropped: 0 },
    };
    this.say({ id, result: results[method] ?? null });
  }
}

class PlayedTime implements TimerHost {
  now = 0;
  private readonly timers = new Set<{ at: number; fire: () => void }>();
  wallMs(): number {
    return 1e12 + this.now;
  }
  monotonicMs(): number {
    return this.now;
  }
  after(ms: number, fire: () => void): () => void {
    const timer = { at: this.now + ms, fire };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }
  every(): () => void {
    throw new Error('not used');
  }
  pass(ms: number): void {
    this.now += ms;
    for (const timer of [...this.timers]) {
      if (timer.at > this.now) continue;
      this.timers.delete(timer);
      timer.fire();
    }
  }
}

const CONFIG: DomainConfig = parseConfig('name="a"', {
  file: 'f',
  directory: '/',
  newUuid: () => '4f2032f2-e9c0-4449-8f66-22317e0c423b',
}).config;

function setUp(overrides: Partial<DomainConfig> = {}): {
  domain: Domain;
  children: PlayedChild[];
  time: PlayedTime;
  log: string[];
  ends: DomainEnd[];
  child: () => PlayedChild;
} {
  const children: PlayedChild[] = [];
  const time = new PlayedTime();
  const log: string[] = [];
  const ends: DomainEnd[] = [];
  const listener: DomainListener = {
    onChange: (domain) =>
      log.push(`${domain.state}${domain.reason === '' ? '' : `: ${domain.reason}`}`),
    onStats: () => undefined,
    onReconfigured: ({ config }) => log.push(`reconfigured boot=${config.boot}`),
    onConsole: (_, data) => void log.push(`console ${data}`),
    onNotice: (_, level, message) => log.push(`${level}: ${message}`),
    onEnd: (_, end) => ends.push(end),
  };
  let domids = 0;
  const spawn = (): DomainChild => {
    const child = new PlayedChild();
    children.push(child);
    return child;
  };
  const domain = new Domain(
    { timers: time, spawn, lifeline: null, nextDomid: () => ++domids, plugIn: plugInAlone },
    listener,
    { ...CONFIG, ...overrides },
  );
  const child = (): PlayedChild => {
    const last = children[children.length - 1];
    if (!last) throw new Error('no process was started');
    return last;
  };
  return { domain, children, time, log, ends, child };
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

describe('Domain', () => {
  it('is paused again when what paused it is still there, though the answer comes at the same time', async () => {
    const { domain, child } = setUp();
    await domain.start(false);
    const full = { event: 'paused', reason: 'the disk is full' };
    child().say(full);
    child().obedient = false;
    const unpaused = domain.unpause();
    const id = child().requests.at(-1)?.id;
    // One turn of the event loop brings all three: promises are resolved behind it.
    for (const message of [{ event: 'unpaused' }, { id, result: null }, full]) child().say(message);
    await unpaused;
    expect(domain.info).toMatchObject({ state: 'paused', reason: 'the disk is full' });
  });

  it('is paused when it pauses in the moment it starts', async () => {
    const { domain, child } = setUp();
    const started = domain.start(false);
    child().obedient = false;
    await settled();
    const id = child().requests.at(-1)?.id;
    child().say({ id, result: { vncPort: 5901 } });
    child().say({ event: 'paused', reason: 'the disk is full' });
    await started;
    expect(domain.info).toMatchObject({ state: 'paused', reason: 'the disk is full' });
    expect(domain.info.vncPort).toBe(5901);
  });

  it('starts, pauses, unpauses and is forced off', async () => {
    const { domain, log, child } = setUp();
    await domain.start(false);
    expect(domain.info).toMatchObject({ state: 'running', domid: 1, vncPort: 5901 });
    await domain.pause();
    await domain.unpause();
    await domain.destroy();
    expect(log).toEqual(['running', 'paused', 'running', 'shutoff']);
    expect(child().methods).toEqual(['start', 'pause', 'unpause', 'quit']);
    expect(domain.info).toMatchObject({ domid: null, vncPort: null });
  });

  it('refuses what its state does not allow, in a sentence', async () => {
    const { domain } = setUp();
    await expect(domain.pause()).rejects.toThrow('a is shut off and cannot be paused');
    await expect(domain.destroy()).rejects.toThrow('a is not running');
    await domain.start(true);
    await expect(domain.start(false)).rejects.toThrow('a is running already');
    await expect(domain.shutdown()).rejects.toThrow('a is paused and cannot be shut down');
  });

  it('is shut off after a power-off, and its console can still be read', async () => {
    const { domain, child, ends } = setUp();
    await domain.start(false);
    child().say({ event: 'ended', how: 'poweroff', reason: 'the guest powered off', kept: false });
    await settled();
    expect(domain.info).toMatchObject({ state: 'shutoff', reason: '', domid: null });
    expect(ends).toEqual([{ how: 'poweroff', reason: 'the guest powered off' }]);
    expect(await domain.consoleHistory()).toEqual({ data: 'bG9n', dropped: 0 });
  });

  it('is crashed when its process is killed, and can be started again', async () => {
    const { domain, child, ends } = setUp();
    await domain.start(false);
    child().die('signal SIGKILL');
    expect(domain.info).toMatchObject({
      state: 'crashed',
      reason: 'the domain process ended (signal SIGKILL)',
      domid: null,
    });
    expect(ends.map(({ how }) => how)).toEqual(['died']);
    await domain.start(false);
    expect(domain.info).toMatchObject({ state: 'running', domid: 2, reason: '' });
  });

  it('restarts after a crash when on_crash says so, but not in a loop', async () => {
    const { domain, child, children, time, log, ends } = setUp({ on_crash: 'restart' });
    await domain.start(false);
    time.pass(60_000);
    child().die('signal SIGKILL');
    await settled();
    expect(domain.info).toMatchObject({ state: 'running', domid: 2 });
    time.pass(1500);
    child().die('signal SIGKILL');
    await settled();
    expect(children.length).toBe(2);
    expect(domain.state).toBe('crashed');
    expect(log).toContain(
      'warn: a ended 1.5 s after its start (the domain process ended (signal SIGKILL)); it is not started again so soon',
    );
    expect(ends.length).toBe(1);
  });

  it('keeps the process of a crashed guest with preserve', async () => {
    const { domain, child } = setUp({ on_crash: 'preserve' });
    await domain.start(false);
    child().say({
      event: 'ended',
      how: 'crash',
      reason: 'the guest crashed with a triple fault',
      kept: true,
    });
    await settled();
    expect(domain.info).toMatchObject({
      state: 'crashed',
      domid: 1,
      reason: 'the guest crashed with a triple fault; it is kept to be looked at',
    });
    expect(child().alive).toBe(true);
    await domain.destroy();
    expect(domain.info).toMatchObject({ state: 'shutoff', domid: null });
  });

  it('reboot presses the power button and starts again after the power-off', async () => {
    const { domain, child, children } = setUp();
    await domain.start(false);
    await domain.reboot();
    expect(child().methods).toContain('powerButton');
    child().say({ event: 'ended', how: 'poweroff', reason: 'the guest powered off', kept: false });
    await settled();
    expect(children.length).toBe(2);
    expect(domain.state).toBe('running');
  });

  it('starts an installed system from its disk, once, with the CD out', async () => {
    const cd = { vdev: 'hdc', format: 'raw', access: 'r', cdrom: true } as const;
    const { domain, child, children, time, log } = setUp({
      install: true,
      boot: 'dc',
      kernel: '/boot/linux',
      extra: 'auto=true',
      disk: [{ ...cd, target: '/x.iso' }],
    });
    await domain.start(false);
    // Sooner than any other end of a guest is followed by a start.
    time.pass(9_000);
    child().say({ event: 'installed' });
    child().say({ event: 'ended', how: 'reboot', reason: 'the guest rebooted', kept: false });
    await settled();
    expect(children.length).toBe(2);
    expect(child().requests[0]).toMatchObject({
      method: 'start',
      params: { config: { boot: 'cd', kernel: '', extra: '', disk: [{ ...cd, target: '' }] } },
    });
    expect(domain.config.install).toBeUndefined();
    const notice =
      'info: a: the installation seems finished, it now starts from its disk; the CD was ejected';
    expect(log).toContain('reconfigured boot=cd');
    expect(log).toContain(notice);
    child().say({ event: 'installed' });
    expect(log.filter((line) => line === notice).length).toBe(1);
    // It says so again: that is not believed, and its end is too soon.
    child().say({ event: 'ended', how: 'reboot', reason: 'the guest rebooted', kept: false });
    await settled();
    expect(children.length).toBe(2);
  });

  it('keeps a CD that the guest has ejected out, in the machine and in the configuration', async () => {
    const cd = { vdev: 'hdc', format: 'raw', access: 'r', cdrom: true } as const;
    const { domain, child, log } = setUp({ disk: [{ ...cd, target: '/x.iso' }] });
    await domain.start(false);
    expect(domain.info.machine?.disk[0]?.target).toBe('/x.iso');
    child().say({ event: 'ejected', vdev: 'hdc' });
    expect(domain.config.disk).toEqual([{ ...cd, target: '' }]);
    expect(domain.info.machine?.disk).toEqual([{ ...cd, target: '' }]);
    expect(log).toContain('info: a has ejected its CD (/x.iso)');
    await domain.changeMedium('hdc', '/y.iso', false);
    expect(child().requests.at(-1)).toMatchObject({
      method: 'changeMedium',
      params: { vdev: 'hdc', path: '/y.iso', force: false },
    });
    expect(domain.info.machine?.disk[0]?.target).toBe('/y.iso');
  });

  it('gives credit for console bytes when they were taken', async () => {
    const { domain, child, log } = setUp();
    await domain.start(false);
    child().say({ event: 'console', data: 'YWJjZA==' });
    await settled();
    expect(log).toContain('console YWJjZA==');
    expect(child().requests[child().requests.length - 1]).toMatchObject({
      method: 'consoleCredit',
      params: { bytes: 4 },
    });
  });

  it.each([
    { event: 'stats', cpu: 'much' },
    { event: 'ended', how: 'bored', reason: '', kept: false },
    { event: 'notice', level: 'error', message: 'x'.repeat(5000) },
    { id: 'x' },
    'hello',
    null,
  ])('ends a process that says %j', async (message) => {
    const { domain, child } = setUp();
    await domain.start(false);
    child().say(message);
    expect(child().alive).toBe(false);
    expect(domain.state).toBe('crashed');
  });

  it('kills a process that does not end when told', async () => {
    const { domain, child, time } = setUp();
    await domain.start(false);
    child().obedient = false;
    const gone = domain.destroy();
    time.pass(5000);
    await gone;
    expect(child().alive).toBe(false);
    expect(domain.state).toBe('shutoff');
  });

  it('fails a start whose process dies, and stays shut off', async () => {
    const { domain, child } = setUp();
    const starting = (async () => {
      const promise = domain.start(false);
      child().obedient = false;
      child().die('exit code 7');
      await promise;
    })();
    await expect(starting).rejects.toThrow('the domain process ended (exit code 7)');
    expect(domain.info).toMatchObject({ state: 'shutoff', domid: null });
  });
});
