import type { DisplayAdapter, VcpuCounters } from '../../hw';
import type { Machine } from '../../machine';
import {
  BUSY_NS,
  DIRECT_READ_BYTES,
  DIRECT_WRITTEN_BYTES,
  FIRST_COUNTER,
  HALTED,
  VCPU_COUNTERS,
  type SharedBuffers,
} from './shared';
import { WorkerBlockBackend, type BlockClient } from './worker-block';
import type { WorkerDisplay } from './worker-display';
import type { PointerMotion, ToWorker } from './worker-messages';
import type { WorkerNetworks } from './worker-network';
import type { WorkerPort } from './worker-port';
import type { WorkerSerial } from './worker-serial';

/** Shorter waits than this are not worth a sleep: waking up takes about as long. */
const MIN_SLEEP_MS = 0.05;
/** Where a pointer goes whose client tells motions only, until it hears that the guest wants positions. */
const CENTRE = { x: 16384, y: 16384 };
/** Longest sleep when nothing is due; a message ends it anyway. */
const MAX_SLEEP_MS = 60_000;

export interface LoopParts {
  readonly machine: Machine;
  readonly adapter: DisplayAdapter;
  readonly port: WorkerPort;
  readonly blocks: BlockClient;
  readonly display: WorkerDisplay;
  readonly serial: WorkerSerial;
  readonly networks: WorkerNetworks;
  readonly shared: SharedBuffers;
  readonly monotonicMs: () => number;
}

/** The vCPU thread: runs slices of the guest, between them sees to messages, serial output and frames, and sleeps while the guest is halted. */
export class VcpuLoop {
  private readonly control: Int32Array;
  private readonly counters: Float64Array;
  private busyMs = 0;
  private paused: boolean;
  /** The machine asked to be seen to (power-off, reset, triple fault) and waits for orders. */
  private stopped = false;
  private absolutePointer = false;

  constructor(
    private readonly parts: LoopParts,
    paused: boolean,
  ) {
    this.control = new Int32Array(parts.shared.control);
    this.counters = new Float64Array(parts.shared.counters);
    this.paused = paused;
    if (!paused) parts.machine.start();
  }

  /** Runs until the thread is ended from outside. */
  run(): never {
    for (;;) {
      this.drain();
      if (this.paused || this.stopped) {
        // Nothing moves: pictures are drawn when somebody asks for one.
        this.parts.networks.flush(true);
        this.sleep(MAX_SLEEP_MS, false);
        continue;
      }
      this.parts.networks.pump();
      const sleepMs = this.slice();
      this.parts.networks.flush(sleepMs >= MIN_SLEEP_MS);
      this.parts.serial.flush();
      const nowNs = this.parts.monotonicMs() * 1e6;
      const untilFrameMs = this.parts.display.pump(this.parts.adapter, nowNs) / 1e6;
      if (sleepMs >= MIN_SLEEP_MS) this.sleep(Math.min(sleepMs, untilFrameMs), true);
    }
  }

  /** One slice of the guest; how long it may sleep now, ms. */
  private slice(): number {
    const { machine, port, blocks, monotonicMs } = this.parts;
    const before = monotonicMs();
    const result = machine.slice();
    const hasFinished = blocks.finish(result.state !== 'running');
    blocks.flush();
    this.busyMs += monotonicMs() - before;
    this.publishCounters();
    if (result.state === 'running') return 0;
    if (result.state === 'halted' && hasFinished) return 0;
    if (result.state === 'halted') return Math.min(result.sleepNs / 1e6, MAX_SLEEP_MS);
    this.stopped = true;
    this.halt();
    port.post({ type: 'stopped', how: result.cause, where: this.where() });
    return MAX_SLEEP_MS;
  }

  private publishCounters(): void {
    const { vcpu } = this.parts.machine;
    const { readBytes, writtenBytes } = this.parts.blocks.direct;
    this.counters[BUSY_NS] = this.busyMs * 1e6;
    this.counters[DIRECT_READ_BYTES] = readBytes;
    this.counters[DIRECT_WRITTEN_BYTES] = writtenBytes;
    const values: Partial<VcpuCounters> = vcpu.counters ?? { instructions: vcpu.instructions };
    for (let i = 0; i < VCPU_COUNTERS.length; i++)
      this.counters[FIRST_COUNTER + i] = values[VCPU_COUNTERS[i]] ?? 0;
  }

  /** Where the processor stands, for the report of a crash. */
  private where(): string {
    const { registers } = this.parts.machine.vcpu;
    const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
    const { selector } = registers.getSegment('cs');
    return `at ${hex(selector)}:${hex(registers.rip)}, CR0 ${hex(registers.cr0)}, CR2 ${hex(registers.cr2)}, CR3 ${hex(registers.cr3)}, CR4 ${hex(registers.cr4)}, EFER ${hex(registers.efer)}`;
  }

  private sleep(ms: number, forFrames: boolean): void {
    Atomics.store(this.control, HALTED, 1);
    this.parts.port.sleep(Math.max(MIN_SLEEP_MS, ms), forFrames);
    Atomics.store(this.control, HALTED, 0);
  }

  private drain(): void {
    for (let message = this.parts.port.poll(); message; message = this.parts.port.poll())
      this.handle(message);
    // An answer may be followed by the next request of the drive.
    this.parts.blocks.finish(this.paused);
    this.parts.blocks.flush();
  }

  private handle(message: ToWorker): void {
    const { machine, blocks, serial, display, adapter, networks } = this.parts;
    switch (message.type) {
      case 'block-done':
        return blocks.complete(message.replies);
      case 'serial-in':
        return serial.onReceive?.(message.bytes);
      case 'network-link':
        return networks.handle(message);
      case 'key':
        return machine.keyboard.key(message.scancode, message.pressed);
      case 'pointer':
        return this.point(message);
      case 'refresh':
        return display.answer(adapter, message.id);
      case 'medium':
        return this.changeMedium(message);
      case 'power-button':
        return this.pressPowerButton();
      case 'reset':
        return this.reset();
      case 'pause':
        return this.setPaused(true);
      case 'unpause':
        return this.setPaused(false);
      case 'unpacked':
        // The machine could be built without it.
        return;
    }
  }

  private pressPowerButton(): void {
    const { machine, port } = this.parts;
    if (machine.powerButton()) return;
    const message = 'the guest does not listen to its power button; force it off instead';
    port.post({ type: 'log', level: 'warn', message });
  }

  private changeMedium({ id, vdev, disc, force }: Extract<ToWorker, { type: 'medium' }>): void {
    const { machine, blocks, port } = this.parts;
    const answer = (outcome: 'done' | 'locked' | 'no-drive'): void =>
      port.post({ type: 'medium-done', id, outcome });
    if (!machine.hasCdrom(vdev)) return answer('no-drive');
    if (!machine.pressEject(vdev) && !force) return answer('locked');
    const sizeBytes = disc?.sizeBytes ?? 0;
    const medium =
      disc &&
      new WorkerBlockBackend(blocks, disc.medium, {
        vdev,
        cdrom: true,
        sizeBytes,
        readOnly: true,
        present: true,
      });
    machine.changeMedium(vdev, medium ?? undefined);
    answer('done');
  }

  /** Offers the position first: whether the guest takes it is how its pointer mode is known. */
  private point({ position, dx, dy, wheel, buttons }: PointerMotion): void {
    const { machine, port } = this.parts;
    const { x, y } = position ?? CENTRE;
    const taken = machine.pointer.absolute(x, y, wheel, buttons);
    if (!taken) machine.pointer.relative(dx, dy, wheel, buttons);
    if (taken === this.absolutePointer) return;
    this.absolutePointer = taken;
    port.post({ type: 'pointer-mode', absolute: taken });
  }

  private reset(): void {
    const { machine } = this.parts;
    machine.reset();
    this.stopped = false;
    if (!this.paused) machine.start();
  }

  private setPaused(paused: boolean): void {
    if (paused === this.paused) return;
    this.paused = paused;
    if (paused) this.halt();
    else if (!this.stopped) this.parts.machine.start();
  }

  /** Stops time and hands out what the guest wrote and drew until now. */
  private halt(): void {
    const { machine, serial, display, adapter } = this.parts;
    machine.pause();
    serial.flush();
    display.answer(adapter, 0);
  }
}
