import type { ApicBus, Mmio, PortIo } from '../../core/hw';
import type { VirtioPci } from '../../core/devices/virtio';
import type { ArrayMemory } from './array-memory';
import { RecordingLine } from './recording-line';

export const RING_BASE = 0x10000;
const QUEUE_STRIDE = 0x4000;

type ApicMessage = Parameters<ApicBus['deliver']>[0];

/** Messages that arrived at the local APICs. */
export class RecordingApicBus implements ApicBus {
  readonly messages: ApicMessage[] = [];
  deliver(message: ApicMessage): void {
    this.messages.push(message);
  }
}

export interface Buffer {
  readonly gpa: number;
  readonly length: number;
  readonly write?: boolean;
}

/** A driver that talks to a virtio PCI function as a guest's does, with rings in an array. */
export class VirtioDriver {
  readonly irq = new RecordingLine();
  readonly modern: Mmio;
  readonly legacy: PortIo;
  private readonly free: number[] = [];
  private readonly next: number[] = [];
  private readonly seen: number[] = [];
  size = 16;

  constructor(
    readonly device: VirtioPci,
    readonly memory: ArrayMemory,
  ) {
    const bar = (index: number): unknown => device.bars.find((b) => b.index === index)?.handler;
    this.modern = bar(4) as Mmio;
    this.legacy = bar(0) as PortIo;
    device.irq = this.irq;
    device.config[4] = 7;
  }

  r8 = (at: number): number => this.modern.readMmio(at, 1);
  r16 = (at: number): number => this.modern.readMmio(at, 2);
  r32 = (at: number): number => this.modern.readMmio(at, 4);
  w8 = (at: number, value: number): void => this.modern.writeMmio(at, 1, value);
  w16 = (at: number, value: number): void => this.modern.writeMmio(at, 2, value);
  w32 = (at: number, value: number): void => this.modern.writeMmio(at, 4, value);

  /** Sections 3.1.1 and 4.1.5.1: all steps up to DRIVER_OK. Returns whether FEATURES_OK stuck. */
  start(features: readonly number[], queues: number): boolean {
    this.w8(0x14, 0);
    this.w8(0x14, 1);
    this.w8(0x14, 3);
    for (const word of [0, 1]) {
      let bits = 0;
      for (const bit of features) if (bit >> 5 === word) bits |= 1 << (bit & 31);
      this.w32(0x08, word);
      this.w32(0x0c, bits >>> 0);
    }
    this.w8(0x14, 11);
    if (!(this.r8(0x14) & 8)) return false;
    for (let queue = 0; queue < queues; queue++) this.setUp(queue);
    this.w8(0x14, 15);
    return true;
  }

  desc(queue: number): number {
    return RING_BASE + queue * QUEUE_STRIDE;
  }
  avail(queue: number): number {
    return this.desc(queue) + 0x1000;
  }
  used(queue: number): number {
    return this.desc(queue) + 0x2000;
  }

  /** Writes a chain from descriptor `head` on and makes it available; kicks unless told not to. */
  add(queue: number, buffers: readonly Buffer[], kick = true): number {
    const head = this.free[queue];
    buffers.forEach((buffer, i) => {
      const isLast = i === buffers.length - 1;
      this.describe(
        queue,
        (head + i) % this.size,
        buffer,
        isLast ? -1 : (head + i + 1) % this.size,
      );
    });
    this.free[queue] = (head + buffers.length) % this.size;
    this.offer(queue, head);
    if (kick) this.kick(queue);
    return head;
  }

  describe(queue: number, index: number, buffer: Buffer, next: number, extra = 0): void {
    const at = this.desc(queue) + 16 * index;
    this.memory.writeU64(at, BigInt(buffer.gpa));
    this.memory.writeU32(at + 8, buffer.length);
    this.memory.writeU16(at + 12, (next >= 0 ? 1 : 0) | (buffer.write ? 2 : 0) | extra);
    this.memory.writeU16(at + 14, Math.max(next, 0));
  }

  offer(queue: number, head: number): void {
    const at = this.avail(queue);
    this.memory.writeU16(at + 4 + 2 * (this.next[queue] % this.size), head);
    this.next[queue] = (this.next[queue] + 1) & 0xffff;
    this.memory.writeU16(at + 2, this.next[queue]);
  }

  kick(queue: number): void {
    this.w16(0x3000 + 4 * queue, queue);
  }

  /** Chains that came back since the last call: head and length. */
  takeUsed(queue: number): [number, number][] {
    const at = this.used(queue);
    const result: [number, number][] = [];
    while (this.seen[queue] !== this.memory.readU16(at + 2)) {
      const entry = at + 4 + 8 * (this.seen[queue] % this.size);
      result.push([this.memory.readU32(entry), this.memory.readU32(entry + 4)]);
      this.seen[queue] = (this.seen[queue] + 1) & 0xffff;
    }
    return result;
  }

  get needsReset(): boolean {
    return (this.r8(0x14) & 64) !== 0;
  }

  private setUp(queue: number): void {
    this.w16(0x16, queue);
    this.w16(0x18, this.size);
    this.w16(0x1a, queue + 1);
    const rings = [this.desc(queue), this.avail(queue), this.used(queue)];
    rings.forEach((gpa, i) => {
      this.w32(0x20 + 8 * i, gpa);
      this.w32(0x24 + 8 * i, 0);
      this.memory.fill(gpa, 0x1000, 0);
    });
    this.w16(0x1c, 1);
    this.free[queue] = this.next[queue] = this.seen[queue] = 0;
  }
}
