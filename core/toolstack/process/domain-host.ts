import { DomusError, STATS_SECONDS, type DomainConfig, type ErrorCode } from '../../api';
import { nodeCompression, nodeFiles, nodeLocks } from '../../host-node';
import { ImageError } from '../../storage';
import { IMAGE_ERROR_CODES } from '../image-errors';
import type {
  DomainEvent,
  DomainMethod,
  DomainRequest,
  DomainRequests,
  EndKind,
} from '../protocol';
import { CdDrives } from './cd-drives';
import { DomainConsole } from './console';
import { readBootFiles } from './boot-files';
import { Guest, type GuestMessage } from './guest';
import { ImageWatch } from './image-watch';
import { DomainImages } from './images';
import { KeyPump } from './key-pump';
import { DomainNetworks } from './networks';
import { InstallWatch } from './install-watch';
import { holdLifeline, type ParentChannel } from './parent-channel';
import { ScreenServer } from './screen-server';
import type { BlockReply, BlockRequest } from './worker-messages';

/** After the end of the guest the process waits this long for the toolstack to fetch the console and the last picture. */
const LINGER_MS = 5000;
/** Closing images and worker must end in this time when the toolstack is gone; then the process ends anyway. */
const LAST_RESORT_MS = 4000;
/** Notices to the toolstack: at most this many a minute, a guest can cause them. */
const NOTICES_A_MINUTE = 60;
/** Different problems of images that are told in one run. */
const MAX_PROBLEMS = 16;

function replyError(cause: unknown): { code: ErrorCode; message: string } {
  if (cause instanceof DomusError) return { code: cause.code, message: cause.message };
  if (cause instanceof ImageError)
    return { code: IMAGE_ERROR_CODES[cause.code], message: cause.message };
  return { code: 'INTERNAL', message: cause instanceof Error ? cause.message : String(cause) };
}

/** A domain that was started. */
interface Running {
  readonly config: DomainConfig;
  readonly images: DomainImages;
  readonly drives: CdDrives;
  readonly networks: DomainNetworks;
  readonly guest: Guest;
  readonly screen: ScreenServer;
  readonly keys: KeyPump;
  readonly watch: ImageWatch;
  /** There while the configuration says that a system is being installed. */
  readonly install: InstallWatch | undefined;
}

type Handlers = {
  readonly [M in DomainMethod]: (params: DomainRequests[M][0]) => Promise<DomainRequests[M][1]>;
};

/** One domain in this process: answers the toolstack's requests and reports what happens. */
export class DomainHost {
  private running: Running | undefined;
  private readonly console = new DomainConsole((bytes) =>
    this.event({ event: 'console', data: Buffer.from(bytes).toString('base64') }),
  );
  private statsTimer: NodeJS.Timeout | undefined;
  private noticesLeft = NOTICES_A_MINUTE;
  /** Writes that wait for room on the host's disk. */
  private readonly stalled: BlockRequest[] = [];
  /** Answers that go to the guest at the end of this turn of the event loop. */
  private readonly replies: BlockReply[] = [];
  /** Problems of images that were told. */
  private readonly problems = new Set<string>();
  private ended = false;
  private leaving = false;
  private lastInstructions = 0;
  private lastBusySeconds = 0;

  constructor(private readonly channel: ParentChannel) {}

  serve(): void {
    this.channel.onMessage((message) => void this.answer(message as DomainRequest));
    this.channel.onClose(() => void this.leave(0));
    process.on('uncaughtException', (error) =>
      this.fail(`the domain process failed: ${error.message}`),
    );
    process.on('unhandledRejection', (reason) =>
      this.fail(
        `the domain process failed: ${reason instanceof Error ? reason.message : String(reason)}`,
      ),
    );
    for (const signal of ['SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => void this.leave(0));
    process.on('SIGINT', () => undefined);
    setInterval(() => (this.noticesLeft = NOTICES_A_MINUTE), 60_000).unref();
  }

  private readonly handlers: Handlers = {
    start: (params) => this.start(params),
    pause: () => this.pause(''),
    unpause: () => this.unpause(),
    powerButton: () => this.order({ type: 'power-button' }),
    reset: () => this.reset(),
    quit: async () => {
      setImmediate(() => void this.leave(0));
      return null;
    },
    screenshot: () => this.domain.screen.screenshot(),
    sendKeys: async ({ scancodes }) => {
      this.domain.keys.push(scancodes);
      return null;
    },
    typeText: async ({ text }) => {
      const { scancodes, skipped } = this.domain.screen.typed(text);
      this.domain.keys.push(scancodes);
      return { skipped };
    },
    consoleHistory: async () => {
      this.domain.guest.drainSerial();
      const { bytes, dropped } = this.console.open();
      return { data: Buffer.from(bytes).toString('base64'), dropped };
    },
    consoleCredit: async ({ bytes }) => {
      this.console.addCredit(bytes);
      return null;
    },
    consoleWrite: async ({ data }) => {
      const bytes = new Uint8Array(Buffer.from(data, 'base64'));
      this.domain.guest.post({ type: 'serial-in', bytes }, [bytes.buffer]);
      return null;
    },
    changeMedium: async ({ vdev, path, force }) => {
      await this.domain.drives.change(vdev, path, force);
      return null;
    },
    performance: async () => this.domain.guest.performance,
    networkList: async () => this.domain.networks.info,
    networkLink: async ({ devid, up }) => {
      this.domain.networks.setLink(devid, up);
      return null;
    },
    networkCapture: async ({ devid, path }) => {
      await this.domain.networks.capture(devid, path);
      return null;
    },
  };

  private get domain(): Running {
    if (!this.running) throw new DomusError('BAD_STATE', 'the domain is not running');
    return this.running;
  }

  private async answer<M extends DomainMethod>(request: {
    id: number;
    method: M;
    params: DomainRequests[M][0];
  }): Promise<void> {
    try {
      const handler = this.handlers[request.method] as (
        params: DomainRequests[M][0],
      ) => Promise<DomainRequests[M][1]>;
      this.channel.post({ id: request.id, result: await handler(request.params) });
    } catch (cause) {
      const { code, message } = replyError(cause);
      this.channel.post({ id: request.id, error: { code, message: message.slice(0, 1000) } });
    }
  }

  private event(event: DomainEvent): void {
    this.channel.post(event);
  }

  private notice(level: 'info' | 'warn' | 'error', message: string): void {
    if (this.noticesLeft-- > 0)
      this.event({ event: 'notice', level, message: message.slice(0, 1000) });
  }

  private async order(message: Parameters<Guest['post']>[0]): Promise<null> {
    this.domain.guest.post(message);
    return null;
  }

  private async start({
    config,
    vifs: plan,
    paused,
    lifeline,
  }: DomainRequests['start'][0]): Promise<{ vncPort: number | null }> {
    if (this.running) throw new DomusError('BAD_STATE', 'the domain runs already');
    if (lifeline) holdLifeline(lifeline, () => void this.leave(0));
    const { unpacked, ...bootFiles } = await readBootFiles(nodeFiles, config);
    const host = { files: nodeFiles, locks: nodeLocks, compression: nodeCompression };
    const images = await DomainImages.open(host, config, process.pid, (message) =>
      this.end('crash', message),
    );
    const networks = await DomainNetworks.open(config, plan, (message) =>
      this.notice('warn', message),
    ).catch(async (cause: unknown) => {
      await images.close();
      throw cause;
    });
    const guest = new Guest({
      onMessage: (message) => this.fromGuest(message),
      onSerial: (bytes) => this.console.append(bytes),
      onDeath: (reason) => this.end('crash', reason),
    });
    const screen = new ScreenServer(config, guest);
    const owner = { pid: process.pid, name: `domain ${config.name}` };
    const drives = new CdDrives(host, config, images, owner, (message) => guest.post(message));
    const keys = new KeyPump((scancode, pressed) => guest.post({ type: 'key', scancode, pressed }));
    try {
      const install = config.install ? await InstallWatch.begin(config.disk, images) : undefined;
      const watch = await ImageWatch.begin(nodeFiles, config.disk, (message) =>
        this.notice('error', message),
      );
      networks.connect(guest);
      networks.setPaused(paused);
      const vncPort = await screen.listen();
      void unpacked?.then((kernel) => guest.post({ type: 'unpacked', kernel }));
      await guest.start({
        name: config.name,
        uuid: config.uuid,
        memoryMiB: config.memory,
        vcpus: config.vcpus,
        disks: images.disks,
        blockMemory: images.memory,
        vifs: networks.shared,
        bootOrder: config.boot,
        ...bootFiles,
        serial: config.serial === 'pty',
        translate: config.translate !== false,
        paused,
      });
      this.running = { config, images, drives, networks, guest, screen, keys, watch, install };
      this.statsTimer = setInterval(() => {
        this.sendStats();
        void watch.look();
      }, STATS_SECONDS * 1000);
      return { vncPort };
    } catch (cause) {
      // The worker uses the images' files itself: it goes first.
      await Promise.allSettled([networks.close(), guest.stop(), screen.close()]);
      await images.close();
      throw cause;
    }
  }

  private fromGuest(message: GuestMessage): void {
    if (message.type === 'frame') return this.running?.screen.frame(message);
    if (message.type === 'pointer-mode') return this.running?.screen.pointerMode(message.absolute);
    if (message.type === 'log')
      return message.level === 'guest' ? undefined : this.notice(message.level, message.message);
    if (message.type === 'medium-done') return this.running?.drives.done(message);
    if (message.type === 'ejected') return void this.ejected(message.vdev);
    if (message.type === 'stopped') return void this.stopped(message);
    if (message.type === 'network' || message.type === 'network-space')
      return this.running?.networks.handle(message);
    for (const request of message.requests) void this.block(request);
  }

  /** A disc that the guest put out is taken away, as a person would. */
  private async ejected(vdev: string): Promise<void> {
    await this.running?.drives
      .change(vdev, '', true)
      .then(() => this.event({ event: 'ejected', vdev }))
      .catch((cause: unknown) => this.notice('error', replyError(cause).message));
  }

  private async block(request: BlockRequest): Promise<void> {
    if (!this.running) return;
    const { images, guest } = this.running;
    const answer = await images.handle(request);
    if (answer.error?.code === 'ENOSPC') return this.stall(request, answer.error.message);
    if (answer.error?.code === 'EIO') this.tellOnce(answer.error.message);
    if (this.replies.length === 0) setImmediate(() => this.reply(guest));
    this.replies.push({ id: request.id, ...answer });
  }

  /** The guest sees an error of its disk; why, only this computer knows. */
  private tellOnce(message: string): void {
    if (this.problems.size >= MAX_PROBLEMS || this.problems.has(message)) return;
    this.problems.add(message);
    this.notice('error', message);
  }

  /** All requests that ended in one turn of the event loop are one message. */
  private reply(guest: Guest): void {
    const replies = this.replies.splice(0);
    const transfer = replies.flatMap(({ data }) => (data ? [data.buffer] : []));
    guest.post({ type: 'block-done', replies }, transfer);
  }

  /** The host's disk is full: the guest is paused instead of being told of an error, and the write is repeated when it goes on. */
  private stall(request: BlockRequest, message: string): void {
    this.stalled.push(request);
    if (this.stalled.length > 1) return;
    const reason = `${message}; make room and unpause the domain`;
    void this.pause(reason);
    this.notice('error', reason);
  }

  private pause(reason: string): Promise<null> {
    this.domain.networks.setPaused(true);
    this.event({ event: 'paused', reason: reason.slice(0, 1000) });
    return this.order({ type: 'pause' });
  }

  private reset(): Promise<null> {
    this.domain.networks.reset();
    return this.order({ type: 'reset' });
  }

  private unpause(): Promise<null> {
    this.domain.networks.setPaused(false);
    // Before the requests are repeated: they may pause the domain again.
    this.event({ event: 'unpaused' });
    for (const request of this.stalled.splice(0)) void this.block(request);
    return this.order({ type: 'unpause' });
  }

  private async stopped({ how, where }: Extract<GuestMessage, { type: 'stopped' }>): Promise<void> {
    const { config, guest, networks, install } = this.domain;
    if (how === 'triple-fault')
      return this.end('crash', `the guest crashed with a triple fault ${where}`);
    const installed = (await install?.isFinished()) === true;
    if (installed && !this.ended) this.event({ event: 'installed' });
    if (how === 'poweroff') return this.end('poweroff', 'the guest powered off');
    // An installed system gets a machine made of the changed configuration: the toolstack starts it.
    if (installed || config.on_reboot !== 'restart')
      return this.end('reboot', 'the guest rebooted');
    networks.reset();
    guest.post({ type: 'reset' });
    this.event({ event: 'rebooted' });
  }

  /** The guest is over. The process stays for `preserve`, or until the toolstack says `quit`. */
  private end(how: EndKind, reason: string): void {
    if (this.ended || this.leaving) return;
    this.ended = true;
    const config = this.running?.config;
    const action =
      config &&
      { poweroff: config.on_poweroff, reboot: config.on_reboot, crash: config.on_crash }[how];
    const kept = action === 'preserve';
    this.running?.guest.drainSerial();
    this.console.finish();
    this.event({ event: 'ended', how, reason: reason.slice(0, 1000), kept });
    if (!kept) setTimeout(() => void this.leave(0), LINGER_MS);
  }

  private fail(reason: string): void {
    this.end('crash', reason);
    void this.leave(1);
  }

  /** Gives everything back and ends the process. */
  private async leave(code: number): Promise<void> {
    if (this.leaving) return;
    this.leaving = true;
    setTimeout(() => process.exit(1), LAST_RESORT_MS);
    clearInterval(this.statsTimer);
    const running = this.running;
    if (running) {
      running.keys.stop();
      await running.networks.close();
      await Promise.allSettled([running.guest.stop(), running.screen.close()]);
      for (const problem of await running.images.close()) this.notice('error', problem);
    }
    await this.channel.flushed();
    process.exit(code);
  }

  private sendStats(): void {
    const { guest, images, networks } = this.domain;
    const { busySeconds, instructions, halted, directReadBytes, directWrittenBytes } =
      guest.counters;
    this.event({
      event: 'stats',
      cpu: Math.max(0, busySeconds - this.lastBusySeconds) / STATS_SECONDS,
      cpuSeconds: busySeconds,
      blocked: halted,
      rssBytes: process.memoryUsage.rss(),
      mips: Math.max(0, instructions - this.lastInstructions) / 1e6 / STATS_SECONDS,
      diskReadBytes: images.readBytes + directReadBytes,
      diskWriteBytes: images.writtenBytes + directWrittenBytes,
      ...networks.traffic,
    });
    this.lastBusySeconds = busySeconds;
    this.lastInstructions = instructions;
  }
}
