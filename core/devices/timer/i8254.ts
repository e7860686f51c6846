/**
 * 8254 programmable interval timer (PIT) with the PC's port 61h.
 * Documents: Intel 82C54 231244-006; port 61h as in 82371SB (PIIX3) 290550-002 section 2.5.9 (NMISC).
 * Scope: six modes, BCD, counter latch, read-back, gates; port 61h gate 2, speaker data, refresh and OUT2.
 * Missing: sound; parity and IOCHK# errors (port 61h bits 6 and 7 read 0). Counts are computed from virtual time when
 * someone looks; only channel 0, whose output is IRQ0, has a timer, and that only while the output is wired.
 */
import { cloneState } from '../../base';
import type { AccessWidth, Clock, Device, IrqLine, PortIo, ResetKind, Timer } from '../../hw';

/** 14.31818 MHz / 12. */
export const PIT_HZ = 1_193_182;
const NS = 1_000_000_000;

const ACCESS_LATCH = 0;
const ACCESS_LOW = 1;
const ACCESS_HIGH = 2;
const ACCESS_WORD = 3;
const READ_BACK = 3;
const READ_BACK_NO_COUNT = 0x20;
const READ_BACK_NO_STATUS = 0x10;

const PORT61_GATE2 = 0x01;
const PORT61_SPEAKER = 0x02;
const PORT61_WRITABLE = 0x0f;
const PORT61_REFRESH = 0x10;
const PORT61_OUT2 = 0x20;
/** DRAM refresh request every 15.085 us toggles bit 4. */
const REFRESH_NS = 15_085;

export interface I8254Channel {
  mode: number;
  bcd: boolean;
  access: number;
  gate: boolean;
  /** Count in effect: 1 to 65536 (10000 in BCD). */
  count: number;
  /** False from the control word until the count is complete: no counting. */
  loaded: boolean;
  /** Modes 1 and 5: triggered by a rising gate since the control word. Others: true once loaded. */
  started: boolean;
  /** When counting of `count` started. */
  startNs: number;
  /** Ticks elapsed when the gate went low (modes 0, 4), or -1 while counting. */
  heldTicks: number;
  /** A count written while modes 2 and 3 run, in effect from `nextNs`; 0 when none. */
  nextCount: number;
  nextNs: number;
  nullCount: boolean;
  writeHigh: boolean;
  readHigh: boolean;
  lowByte: number;
  /** Latched count, -1 when not latched. */
  latch: number;
  /** Latched status byte, -1 when not latched. */
  status: number;
}

export interface I8254State {
  version: 1;
  channels: I8254Channel[];
  port61: number;
}

export interface I8254Capabilities {
  clock: Clock;
  /** OUT of counter 0. */
  irq: IrqLine;
}

export class I8254 implements Device<I8254State>, PortIo {
  readonly id = 'i8254';
  private s: I8254State = powerOn();
  private readonly timer: Timer;
  private wired = true;

  constructor(private readonly wires: I8254Capabilities) {
    this.timer = wires.clock.timer(() => this.outputChanged());
  }

  reset(_kind: ResetKind): void {
    this.s = powerOn();
    this.timer.cancel();
    this.wires.irq.set(false);
  }

  save(): I8254State {
    return cloneState(this.s);
  }

  restore(state: I8254State): void {
    this.s = cloneState(state);
    this.wires.irq.set(this.output(this.s.channels[0]));
    this.arm();
  }

  /** NMI status and control, one port. */
  readonly port61: PortIo = {
    readPort: () => {
      const now = this.wires.clock.now;
      const refresh = Math.floor(now / REFRESH_NS) & 1 ? PORT61_REFRESH : 0;
      return (
        (this.s.port61 & PORT61_WRITABLE) |
        refresh |
        (this.output(this.s.channels[2]) ? PORT61_OUT2 : 0)
      );
    },
    writePort: (_offset, _width, value) => {
      this.s.port61 = value & PORT61_WRITABLE;
      this.setGate(this.s.channels[2], (value & PORT61_GATE2) !== 0);
    },
  };

  /** True while the speaker would sound: gate and data bits on. */
  get speakerOn(): boolean {
    return (this.s.port61 & (PORT61_GATE2 | PORT61_SPEAKER)) === (PORT61_GATE2 | PORT61_SPEAKER);
  }

  readPort(offset: number, _width: AccessWidth): number {
    const channel = this.s.channels[offset & 3];
    if (!channel) return 0xff;
    if (channel.status >= 0) {
      const status = channel.status;
      channel.status = -1;
      return status;
    }
    const latched = channel.latch >= 0;
    const value = latched ? channel.latch : this.readCount(channel);
    if (channel.access === ACCESS_WORD) {
      channel.readHigh = !channel.readHigh;
      if (channel.readHigh) return value & 0xff;
      channel.latch = -1;
      return value >> 8;
    }
    channel.latch = -1;
    return channel.access === ACCESS_HIGH ? value >> 8 : value & 0xff;
  }

  writePort(offset: number, _width: AccessWidth, value: number): void {
    if ((offset & 3) === 3) this.writeControl(value & 0xff);
    else this.writeCount(this.s.channels[offset & 3], value & 0xff);
    if ((offset & 3) === 0 || (offset & 3) === 3) this.arm();
  }

  private writeControl(value: number): void {
    const select = value >> 6;
    if (select === READ_BACK) {
      for (let i = 0; i < 3; i++) {
        if (!(value & (2 << i))) continue;
        const channel = this.s.channels[i];
        if (!(value & READ_BACK_NO_COUNT)) this.latch(channel);
        if (!(value & READ_BACK_NO_STATUS) && channel.status < 0)
          channel.status = this.statusByte(channel);
      }
      return;
    }
    const channel = this.s.channels[select];
    const access = (value >> 4) & 3;
    if (access === ACCESS_LATCH) {
      this.latch(channel);
      return;
    }
    const mode = (value >> 1) & 7;
    channel.access = access;
    channel.mode = mode > 5 ? mode & 3 : mode;
    channel.bcd = (value & 1) !== 0;
    channel.loaded = false;
    channel.started = false;
    channel.heldTicks = -1;
    channel.nextCount = 0;
    channel.nullCount = true;
    channel.writeHigh = false;
    channel.readHigh = false;
    channel.latch = -1;
  }

  private writeCount(channel: I8254Channel, value: number): void {
    if (channel.access === ACCESS_WORD && !channel.writeHigh) {
      channel.lowByte = value;
      channel.writeHigh = true;
      // 82C54 mode 0: writing the first byte stops counting and sets OUT low.
      if (channel.mode === 0) channel.loaded = false;
      return;
    }
    const raw =
      channel.access === ACCESS_WORD
        ? channel.lowByte | (value << 8)
        : channel.access === ACCESS_HIGH
          ? value << 8
          : value;
    channel.writeHigh = false;
    this.load(channel, decode(raw, channel.bcd));
  }

  private load(channel: I8254Channel, count: number): void {
    const now = this.wires.clock.now;
    this.settle(channel);
    const periodic = channel.mode === 2 || channel.mode === 3;
    if (periodic && channel.started && channel.gate) {
      // A new count does not disturb the running period: it is loaded when that ends.
      const ticks = this.ticks(channel);
      channel.nextCount = count;
      channel.nextNs =
        channel.startNs + tickNs((Math.floor(ticks / channel.count) + 1) * channel.count);
      channel.nullCount = true;
      return;
    }
    const triggered = channel.mode === 1 || channel.mode === 5;
    channel.loaded = true;
    if (triggered && channel.started) {
      // The one-shot in progress keeps its count; the next trigger loads the new one.
      channel.nextCount = count;
      channel.nextNs = Infinity;
      channel.nullCount = true;
      return;
    }
    channel.count = count;
    channel.nullCount = triggered;
    channel.startNs = now;
    channel.started = !triggered;
    channel.heldTicks = !triggered && !channel.gate ? 0 : -1;
  }

  private setGate(channel: I8254Channel, level: boolean): void {
    if (channel.gate === level) return;
    this.settle(channel);
    const now = this.wires.clock.now;
    const ticks = this.ticks(channel);
    channel.gate = level;
    if (!channel.loaded) return;
    switch (channel.mode) {
      case 0:
      case 4:
        if (level) {
          channel.startNs = now - tickNs(Math.max(channel.heldTicks, 0));
          channel.heldTicks = -1;
        } else {
          channel.heldTicks = ticks;
        }
        break;
      case 1:
      case 5:
        if (level) this.trigger(channel, now);
        break;
      default:
        // Modes 2 and 3: low stops and sets OUT high, the rising edge reloads.
        if (level) this.trigger(channel, now);
        else channel.heldTicks = 0;
        break;
    }
  }

  private trigger(channel: I8254Channel, now: number): void {
    if (channel.nextCount) channel.count = channel.nextCount;
    channel.nextCount = 0;
    channel.nullCount = false;
    channel.started = true;
    channel.heldTicks = -1;
    channel.startNs = now;
  }

  /** Brings a count into effect whose time has come. */
  private settle(channel: I8254Channel): void {
    if (!channel.nextCount || this.wires.clock.now < channel.nextNs) return;
    channel.startNs = channel.nextNs;
    channel.count = channel.nextCount;
    channel.nextCount = 0;
    channel.nullCount = false;
  }

  /** Clock periods since counting started. */
  private ticks(channel: I8254Channel): number {
    if (channel.heldTicks >= 0) return channel.heldTicks;
    const ns = this.wires.clock.now - channel.startNs;
    const seconds = Math.floor(ns / NS);
    return seconds * PIT_HZ + Math.floor(((ns - seconds * NS) * PIT_HZ) / NS);
  }

  private readCount(channel: I8254Channel): number {
    this.settle(channel);
    if (!channel.loaded || !channel.started) return encode(channel.count, channel.bcd);
    const ticks = this.ticks(channel);
    const range = channel.bcd ? 10_000 : 65_536;
    let value: number;
    switch (channel.mode) {
      case 2:
        value = channel.count - (ticks % channel.count);
        break;
      case 3: {
        // Counts down by two twice a period; odd counts start from the even number below.
        const even = channel.count & ~1;
        const half = (channel.count + 1) >> 1;
        const at = ticks % channel.count;
        value = even - 2 * (at < half ? at : at - half);
        if (value <= 0) value = even;
        break;
      }
      default:
        // After terminal count these go on from FFFFh (9999 in BCD).
        value = (((channel.count - ticks) % range) + range) % range;
        break;
    }
    return encode(value, channel.bcd);
  }

  private latch(channel: I8254Channel): void {
    // A second latch command before the read is ignored (82C54 "counter latch command").
    if (channel.latch < 0) channel.latch = this.readCount(channel);
  }

  private statusByte(channel: I8254Channel): number {
    this.settle(channel);
    return (
      (this.output(channel) ? 0x80 : 0) |
      (channel.nullCount ? 0x40 : 0) |
      (channel.access << 4) |
      (channel.mode << 1) |
      (channel.bcd ? 1 : 0)
    );
  }

  /** Level of OUT. */
  private output(channel: I8254Channel): boolean {
    this.settle(channel);
    const { mode, count } = channel;
    if (!channel.loaded || !channel.started) return mode !== 0;
    const ticks = this.ticks(channel);
    switch (mode) {
      case 0:
      case 1:
        return ticks >= count;
      case 2:
        return !channel.gate || ticks % count !== count - 1;
      case 3:
        return !channel.gate || ticks % count < (count + 1) >> 1;
      default:
        return ticks !== count;
    }
  }

  // --- Counter 0 drives IRQ0

  /** Ticks from the start of counting to the next rising edge of OUT after `ticks`, or -1. In mode 3 also to the falling one. */
  private nextEdge(channel: I8254Channel, ticks: number): number {
    const { mode, count } = channel;
    if (!channel.loaded || !channel.started) return -1;
    const period = Math.floor(ticks / count);
    switch (mode) {
      case 0:
      case 1:
        return ticks < count ? count : -1;
      case 2:
        return (period + 1) * count;
      case 3: {
        const fall = period * count + ((count + 1) >> 1);
        return ticks < fall ? fall : (period + 1) * count;
      }
      default:
        return ticks <= count ? count + 1 : -1;
    }
  }

  /** Whether OUT of counter 0 reaches anybody: with the HPET's legacy replacement (IA-PC HPET 1.0a, LEG_RT_CNF) it does not. */
  connect(wired: boolean): void {
    if (this.wired === wired) return;
    this.wired = wired;
    this.arm();
  }

  private arm(): void {
    if (!this.wired) return this.timer.cancel();
    const channel = this.s.channels[0];
    this.settle(channel);
    // Modes 2 and 4 are low for one clock only: that pulse is given at its end, by outputChanged.
    if (channel.mode === 0 || channel.mode === 3 || !channel.loaded)
      this.wires.irq.set(this.output(channel));
    const edge = this.nextEdge(channel, this.ticks(channel));
    if (edge < 0) this.timer.cancel();
    else
      this.timer.arm(
        Math.min(channel.startNs + tickNs(edge), channel.nextCount ? channel.nextNs : Infinity),
      );
  }

  private outputChanged(): void {
    const channel = this.s.channels[0];
    this.settle(channel);
    const { irq } = this.wires;
    const high = this.output(channel);
    if (channel.mode === 3 && !high) {
      irq.set(false);
    } else {
      irq.set(false);
      irq.set(true);
    }
    this.arm();
  }
}

/** Nanoseconds until `ticks` clock periods are over. */
function tickNs(ticks: number): number {
  const seconds = Math.floor(ticks / PIT_HZ);
  return seconds * NS + Math.ceil(((ticks - seconds * PIT_HZ) * NS) / PIT_HZ);
}

function decode(raw: number, bcd: boolean): number {
  if (!bcd) return raw || 65_536;
  const value = (raw & 15) + 10 * ((raw >> 4) & 15) + 100 * ((raw >> 8) & 15) + 1000 * (raw >> 12);
  return value || 10_000;
}

function encode(value: number, bcd: boolean): number {
  if (!bcd) return value & 0xffff;
  const v = value % 10_000;
  return (
    (v % 10) |
    ((Math.floor(v / 10) % 10) << 4) |
    ((Math.floor(v / 100) % 10) << 8) |
    (Math.floor(v / 1000) << 12)
  );
}

function powerOn(): I8254State {
  const channel = (gate: boolean): I8254Channel => ({
    mode: 3,
    bcd: false,
    access: ACCESS_LOW,
    gate,
    count: 65_536,
    loaded: false,
    started: false,
    startNs: 0,
    heldTicks: -1,
    nextCount: 0,
    nextNs: 0,
    nullCount: true,
    writeHigh: false,
    readHigh: false,
    lowByte: 0,
    latch: -1,
    status: -1,
  });
  return { version: 1, channels: [channel(true), channel(true), channel(false)], port61: 0 };
}
