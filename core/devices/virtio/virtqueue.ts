/**
 * Split virtqueue, device side.
 * Document: VIRTIO 1.2, section 2.7; legacy layout 2.7.2. Scope: indirect descriptors, used and available event
 * indices. Missing: packed virtqueues, in-order use, queue reset.
 *
 * Everything read from the rings is the guest's: indices, lengths and chains are bounded, and a ring that breaks the
 * specification's rules stops the queue (2.1.2) instead of being guessed at.
 */
import type { GuestMemory } from '../../hw';
import type { Segment } from './scatter';
import {
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
} from './virtio-regs';

const DESCRIPTOR_BYTES = 16;
/** Longest indirect table: Linux and Windows build none longer than the queue; bounds the work of one chain. */
const MAX_INDIRECT = 1024;
/** Legacy rings: the used ring begins on a page of its own. */
const LEGACY_ALIGN = 4096;

/** A request as the driver queued it: first what the device reads, then what it writes. */
export interface VirtChain {
  /** Index of the first descriptor: names the chain in the used ring. */
  readonly head: number;
  readonly readable: readonly Segment[];
  readonly writable: readonly Segment[];
}

export interface VirtQueueState {
  size: number;
  ready: boolean;
  desc: [number, number];
  avail: [number, number];
  used: [number, number];
  /** Next entry of the available ring to take, modulo 2^16. */
  lastAvail: number;
  /** `idx` of the used ring. */
  usedIndex: number;
  /** `usedIndex` when the driver was last considered for an interrupt. */
  signalled: number;
  /** MSI-X vector. */
  vector: number;
}

export interface VirtQueueWires {
  readonly memory: GuestMemory;
  /** VIRTIO_F_RING_EVENT_IDX and VIRTIO_F_RING_INDIRECT_DESC as negotiated. */
  readonly eventIndex: boolean;
  readonly indirect: boolean;
  /** The driver broke a rule; the queue has stopped. */
  onBroken(): void;
}

/** An address the driver gave, low and high half, as a number; above 2^53 it is imprecise and outside RAM anyway. */
const address = ([low, high]: readonly [number, number]): number => high * 0x1_0000_0000 + low;

export class VirtQueue {
  s: VirtQueueState;
  private broken = false;

  constructor(
    private readonly wires: VirtQueueWires,
    /** A power of two. */
    readonly maxSize: number,
    noVector: number,
  ) {
    this.s = {
      size: maxSize,
      ready: false,
      desc: [0, 0],
      avail: [0, 0],
      used: [0, 0],
      lastAvail: 0,
      usedIndex: 0,
      signalled: 0,
      vector: noVector,
    };
  }

  reset(noVector: number): void {
    this.broken = false;
    this.s = {
      ...this.s,
      size: this.maxSize,
      ready: false,
      desc: [0, 0],
      avail: [0, 0],
      used: [0, 0],
      lastAvail: 0,
      usedIndex: 0,
      signalled: 0,
      vector: noVector,
    };
  }

  save(): VirtQueueState {
    const { desc, avail, used } = this.s;
    return { ...this.s, desc: [...desc], avail: [...avail], used: [...used] };
  }

  restore(state: VirtQueueState): void {
    this.broken = false;
    const { desc, avail, used } = state;
    this.s = { ...state, desc: [...desc], avail: [...avail], used: [...used] };
  }

  /** queue_size: the driver may choose a smaller power of two (4.1.5.1.3); others are ignored. */
  setSize(size: number): void {
    if (this.s.ready || size < 1 || size > this.maxSize || (size & (size - 1)) !== 0) return;
    this.s.size = size;
  }

  /** Queue address register of the legacy interface: one page number for all three rings (4.1.4.8). 0 stops the queue. */
  setLegacyPage(page: number): void {
    const { s } = this;
    const desc = page * LEGACY_ALIGN;
    const avail = desc + DESCRIPTOR_BYTES * s.size;
    const used = Math.ceil((avail + 2 * (3 + s.size)) / LEGACY_ALIGN) * LEGACY_ALIGN;
    s.desc = split(desc);
    s.avail = split(avail);
    s.used = split(used);
    s.ready = page !== 0;
    s.lastAvail = s.usedIndex = s.signalled = 0;
    this.broken = false;
  }

  get legacyPage(): number {
    return this.s.ready ? Math.floor(address(this.s.desc) / LEGACY_ALIGN) : 0;
  }

  /** Next chain that the driver made available; undefined when there is none or the queue has stopped. */
  pop(): VirtChain | undefined {
    const { s } = this;
    if (!s.ready || this.broken) return undefined;
    const { memory } = this.wires;
    const avail = address(s.avail);
    const waiting = (memory.readU16(avail + 2) - s.lastAvail) & 0xffff;
    if (waiting === 0) return undefined;
    if (waiting > s.size) return this.fail();
    const head = memory.readU16(avail + 4 + 2 * (s.lastAvail & (s.size - 1)));
    const chain = this.chain(head);
    if (!chain) return this.fail();
    s.lastAvail = (s.lastAvail + 1) & 0xffff;
    // avail_event, behind the used ring: kicks are wanted from here on.
    if (this.wires.eventIndex) memory.writeU16(address(s.used) + 4 + 8 * s.size, s.lastAvail);
    return chain;
  }

  /** Puts the last popped chain back: there was no room for what it should hold. */
  unpop(): void {
    this.s.lastAvail = (this.s.lastAvail - 1) & 0xffff;
  }

  /** Walks the chain that begins at `head`; undefined when it breaks the rules. */
  chain(head: number): VirtChain | undefined {
    const { s } = this;
    const { memory, indirect } = this.wires;
    const readable: Segment[] = [];
    const writable: Segment[] = [];
    let table = address(s.desc);
    let limit = s.size;
    let index = head;
    let inIndirect = false;
    // A chain is no longer than its table: what is longer is a loop.
    for (let left = limit; left > 0; left--) {
      if (index >= limit) return undefined;
      const at = table + DESCRIPTOR_BYTES * index;
      const gpa = address([memory.readU32(at), memory.readU32(at + 4)]);
      const length = memory.readU32(at + 8);
      const flags = memory.readU16(at + 12);
      if (flags & VIRTQ_DESC_F_INDIRECT) {
        const entries = length / DESCRIPTOR_BYTES;
        const allowed = indirect && !inIndirect && !(flags & VIRTQ_DESC_F_NEXT);
        if (!allowed || entries < 1 || entries > MAX_INDIRECT || !Number.isInteger(entries))
          return undefined;
        inIndirect = true;
        table = gpa;
        limit = entries;
        left = entries + 1;
        index = 0;
        continue;
      }
      if (flags & VIRTQ_DESC_F_WRITE) writable.push({ gpa, length });
      else if (writable.length > 0) return undefined;
      else readable.push({ gpa, length });
      if (!(flags & VIRTQ_DESC_F_NEXT)) return { head, readable, writable };
      index = memory.readU16(at + 14);
    }
    return undefined;
  }

  /** Gives a chain back with `written` bytes in its writable part; `lookAhead` entries after `usedIndex`, not yet shown. */
  put(head: number, written: number, lookAhead = 0): void {
    const { s } = this;
    if (!s.ready || this.broken) return;
    const slot = (s.usedIndex + lookAhead) & (s.size - 1);
    const at = address(s.used) + 4 + 8 * slot;
    this.wires.memory.writeU32(at, head);
    this.wires.memory.writeU32(at + 4, written);
  }

  /** Shows the driver `count` chains that were `put`. */
  publish(count: number): void {
    const { s } = this;
    if (!s.ready || this.broken) return;
    s.usedIndex = (s.usedIndex + count) & 0xffff;
    this.wires.memory.writeU16(address(s.used) + 2, s.usedIndex);
  }

  push(head: number, written: number): void {
    this.put(head, written);
    this.publish(1);
  }

  /** Whether the driver wants an interrupt for what was published since the last call (2.7.7.2). */
  takeInterrupt(): boolean {
    const { s } = this;
    if (!s.ready || this.broken) return false;
    const { memory, eventIndex } = this.wires;
    const avail = address(s.avail);
    const old = s.signalled;
    s.signalled = s.usedIndex;
    if (old === s.usedIndex) return false;
    if (!eventIndex) return (memory.readU16(avail) & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0;
    const event = memory.readU16(avail + 4 + 2 * s.size);
    return ((s.usedIndex - event - 1) & 0xffff) < ((s.usedIndex - old) & 0xffff);
  }

  /** Stops the queue: the driver broke a rule. */
  fail(): undefined {
    if (this.broken) return undefined;
    this.broken = true;
    this.wires.onBroken();
    return undefined;
  }
}

function split(gpa: number): [number, number] {
  return [gpa >>> 0, Math.floor(gpa / 0x1_0000_0000)];
}
