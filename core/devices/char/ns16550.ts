/**
 * 16550A UART (serial port) with 16-byte FIFOs.
 * Document: National Semiconductor PC16550D (June 1995), chapter 8.
 * Scope: all registers, FIFO and 16450 modes, interrupt priorities with receive time-out, loopback, modem lines.
 * Missing: line timing of transmission (a byte leaves at once), parity, framing and break conditions, DMA pins.
 */
import { cloneState } from '../../base';
import type {
  AccessWidth,
  CharBackend,
  Clock,
  Device,
  IrqLine,
  PortIo,
  ResetKind,
  Timer,
} from '../../hw';

const RBR_THR = 0;
const IER = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

const IER_ERBFI = 0x01;
const IER_ETBEI = 0x02;
const IER_ELSI = 0x04;
const IER_EDSSI = 0x08;

const IIR_NONE = 0x01;
const IIR_MODEM = 0x00;
const IIR_THRE = 0x02;
const IIR_DATA = 0x04;
const IIR_LINE = 0x06;
const IIR_TIMEOUT = 0x0c;
const IIR_FIFOS = 0xc0;

const FCR_ENABLE = 0x01;
const FCR_RESET_RX = 0x02;
const LCR_DLAB = 0x80;
const LCR_BREAK = 0x40;
const MCR_DTR = 0x01;
const MCR_RTS = 0x02;
const MCR_OUT1 = 0x04;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;
const LSR_DR = 0x01;
const LSR_OE = 0x02;
const LSR_ERRORS = 0x1e;
const LSR_THRE = 0x20;
const LSR_TEMT = 0x40;
const MSR_TERI = 0x04;
const MSR_CTS = 0x10;
const MSR_DSR = 0x20;
const MSR_RI = 0x40;
const MSR_DCD = 0x80;

const FIFO_BYTES = 16;
const TRIGGER_LEVELS = [1, 4, 8, 14];
/** 1.8432 MHz / 16. */
const BAUD_BASE = 115_200;
/** Bits of one character: start, eight data, stop. */
const CHARACTER_BITS = 10;

/** Transmitted bytes go to the back end at the latest after this virtual time... */
const FLUSH_NS = 1_000_000;
/** ...or when this many are waiting. */
const FLUSH_BYTES = 4096;
/** Input from the host that the guest does not take: a pasted file fits, a runaway writer does not fill memory. */
const QUEUE_BYTES = 1 << 20;

export interface Ns16550State {
  version: 1;
  divisor: number;
  ier: number;
  fcr: number;
  lcr: number;
  mcr: number;
  lsr: number;
  /** Delta bits 0-3; the lines themselves follow from MCR in loopback, else from the back end. */
  msrDelta: number;
  scr: number;
  /** THR-empty interrupt is pending (set by emptying, cleared by reading IIR or writing THR). */
  threPending: boolean;
  timeoutPending: boolean;
  receiver: number[];
  /** Host input behind the receiver. */
  queue: Uint8Array;
}

export interface Ns16550Capabilities {
  clock: Clock;
  irq: IrqLine;
  /** The line; absent: nothing connected. */
  line?: CharBackend | undefined;
}

export class Ns16550 implements Device<Ns16550State>, PortIo {
  readonly id: string;
  readonly counters = { transmitted: 0, received: 0, dropped: 0, overruns: 0 };
  private s = powerOn();
  private queue: Uint8Array[] = [];
  private queueBytes = 0;
  private readonly out = new Uint8Array(FLUSH_BYTES);
  private outLength = 0;
  private readonly flushTimer: Timer;
  private readonly timeoutTimer: Timer;

  constructor(
    private readonly wires: Ns16550Capabilities,
    config: { id: string },
  ) {
    this.id = config.id;
    this.flushTimer = wires.clock.timer(() => this.flush());
    this.timeoutTimer = wires.clock.timer(() => {
      if (this.s.receiver.length === 0) return;
      this.s.timeoutPending = true;
      this.update();
    });
    if (wires.line) wires.line.onReceive = (bytes) => this.enqueue(bytes);
  }

  reset(_kind: ResetKind): void {
    this.flush();
    this.s = powerOn();
    this.timeoutTimer.cancel();
    this.update();
  }

  save(): Ns16550State {
    this.flush();
    const state = cloneState(this.s);
    state.queue = new Uint8Array(this.queueBytes);
    let at = 0;
    for (const chunk of this.queue) {
      state.queue.set(chunk, at);
      at += chunk.length;
    }
    return state;
  }

  restore(state: Ns16550State): void {
    this.s = cloneState(state);
    this.queue = state.queue.length > 0 ? [new Uint8Array(state.queue)] : [];
    this.queueBytes = state.queue.length;
    this.s.queue = new Uint8Array(0);
    this.refill();
    this.update();
  }

  /** Hands all transmitted bytes to the back end now. */
  flush(): void {
    this.flushTimer.cancel();
    if (this.outLength === 0) return;
    const bytes = this.out.slice(0, this.outLength);
    this.outLength = 0;
    this.wires.line?.write(bytes);
  }

  readPort(offset: number, _width: AccessWidth): number {
    const { s } = this;
    const dlab = (s.lcr & LCR_DLAB) !== 0;
    switch (offset & 7) {
      case RBR_THR:
        return dlab ? s.divisor & 0xff : this.readReceiver();
      case IER:
        return dlab ? s.divisor >> 8 : s.ier;
      case IIR_FCR: {
        const source = this.interruptSource();
        if (source === IIR_THRE) {
          s.threPending = false;
          this.update();
        }
        return source | (s.fcr & FCR_ENABLE ? IIR_FIFOS : 0);
      }
      case LCR:
        return s.lcr;
      case MCR:
        return s.mcr;
      case LSR: {
        const value = s.lsr;
        if (value & LSR_ERRORS) {
          s.lsr &= ~LSR_ERRORS;
          this.update();
        }
        return value;
      }
      case MSR: {
        const value = this.modemLines() | s.msrDelta;
        s.msrDelta = 0;
        this.update();
        return value;
      }
      default:
        return s.scr;
    }
  }

  writePort(offset: number, _width: AccessWidth, value: number): void {
    const { s } = this;
    const byte = value & 0xff;
    const dlab = (s.lcr & LCR_DLAB) !== 0;
    switch (offset & 7) {
      case RBR_THR:
        if (dlab) s.divisor = (s.divisor & 0xff00) | byte;
        else this.transmit(byte);
        break;
      case IER:
        if (dlab) s.divisor = (s.divisor & 0xff) | (byte << 8);
        else this.writeIer(byte & 0x0f);
        break;
      case IIR_FCR:
        this.writeFcr(byte);
        break;
      case LCR:
        this.writeLcr(byte);
        break;
      case MCR:
        this.writeMcr(byte & 0x1f);
        break;
      case SCR:
        s.scr = byte;
        break;
      default:
        // LSR is for factory tests, MSR read-only.
        break;
    }
  }

  // --- Transmitter

  private transmit(byte: number): void {
    const { s } = this;
    s.threPending = false;
    this.update();
    if (s.mcr & MCR_LOOP) {
      this.receive(byte);
    } else {
      this.counters.transmitted++;
      this.out[this.outLength++] = byte;
      if (this.outLength === FLUSH_BYTES) this.flush();
      else if (this.outLength === 1) this.flushTimer.arm(this.wires.clock.now + FLUSH_NS);
    }
    // The byte has left at once: the holding register is empty again.
    s.threPending = true;
    this.update();
  }

  private writeIer(value: number): void {
    const { s } = this;
    // Enabling the THRE interrupt while THR is empty requests it at once.
    if (value & IER_ETBEI && !(s.ier & IER_ETBEI)) s.threPending = true;
    s.ier = value;
    this.update();
  }

  private writeFcr(value: number): void {
    const { s } = this;
    const toggled = ((value ^ s.fcr) & FCR_ENABLE) !== 0;
    // Switching FIFO mode clears both FIFOs; other bits count only together with the enable bit.
    if (toggled || (value & FCR_ENABLE && value & FCR_RESET_RX)) {
      s.receiver.length = 0;
      s.lsr &= ~LSR_DR;
      s.timeoutPending = false;
      this.timeoutTimer.cancel();
    }
    s.fcr = value & FCR_ENABLE ? value & 0xc9 : 0;
    this.refill();
    this.update();
  }

  private writeLcr(value: number): void {
    const { s } = this;
    const breakStarts = (value & ~s.lcr & LCR_BREAK) !== 0;
    s.lcr = value;
    // In loopback the break reaches the own receiver as a zero byte with BI and FE.
    if (breakStarts && s.mcr & MCR_LOOP) {
      this.receive(0);
      s.lsr |= 0x18;
      this.update();
    }
  }

  private writeMcr(value: number): void {
    const { s } = this;
    const before = this.modemLines();
    s.mcr = value;
    const after = this.modemLines();
    const changed = before ^ after;
    if (changed & MSR_CTS) s.msrDelta |= 0x01;
    if (changed & MSR_DSR) s.msrDelta |= 0x02;
    if (before & MSR_RI && !(after & MSR_RI)) s.msrDelta |= MSR_TERI;
    if (changed & MSR_DCD) s.msrDelta |= 0x08;
    this.refill();
    this.update();
  }

  private modemLines(): number {
    const { mcr } = this.s;
    if (mcr & MCR_LOOP) {
      return (
        (mcr & MCR_RTS ? MSR_CTS : 0) |
        (mcr & MCR_DTR ? MSR_DSR : 0) |
        (mcr & MCR_OUT1 ? MSR_RI : 0) |
        (mcr & MCR_OUT2 ? MSR_DCD : 0)
      );
    }
    return this.wires.line ? MSR_CTS | MSR_DSR | MSR_DCD : 0;
  }

  // --- Receiver

  private get capacity(): number {
    return this.s.fcr & FCR_ENABLE ? FIFO_BYTES : 1;
  }

  private get trigger(): number {
    return this.s.fcr & FCR_ENABLE ? TRIGGER_LEVELS[this.s.fcr >> 6] : 1;
  }

  private enqueue(bytes: Uint8Array): void {
    const room = QUEUE_BYTES - this.queueBytes;
    const taken = bytes.slice(0, room);
    this.counters.dropped += bytes.length - taken.length;
    if (taken.length === 0) return;
    this.queue.push(taken);
    this.queueBytes += taken.length;
    this.refill();
    this.update();
  }

  /** Moves host input into the receiver as far as it has room: the line's flow control. */
  private refill(): void {
    const { s } = this;
    if (s.mcr & MCR_LOOP) return;
    let moved = false;
    while (s.receiver.length < this.capacity) {
      const chunk = this.queue[0];
      if (!chunk) break;
      const count = Math.min(this.capacity - s.receiver.length, chunk.length);
      for (let i = 0; i < count; i++) s.receiver.push(chunk[i]);
      this.queueBytes -= count;
      this.counters.received += count;
      if (count === chunk.length) this.queue.shift();
      else this.queue[0] = chunk.subarray(count);
      moved = true;
    }
    if (moved) this.received();
  }

  /** A character from the loopback path, which has no flow control. */
  private receive(byte: number): void {
    const { s } = this;
    if (s.receiver.length >= this.capacity) {
      s.lsr |= LSR_OE;
      this.counters.overruns++;
      // 16450 mode overwrites the holding register; a full FIFO loses the new character.
      if (!(s.fcr & FCR_ENABLE)) s.receiver[0] = byte;
    } else {
      s.receiver.push(byte);
    }
    this.received();
  }

  private received(): void {
    this.s.lsr |= LSR_DR;
    this.s.timeoutPending = false;
    this.armTimeout();
  }

  /** PC16550D "FIFO timeout interrupts": four character times without traffic while data waits. */
  private armTimeout(): void {
    const { s } = this;
    if (!(s.fcr & FCR_ENABLE) || s.receiver.length === 0) {
      this.timeoutTimer.cancel();
      return;
    }
    const bitNs = (1e9 * Math.max(s.divisor, 1)) / BAUD_BASE;
    this.timeoutTimer.arm(this.wires.clock.now + Math.ceil(4 * CHARACTER_BITS * bitNs));
  }

  private readReceiver(): number {
    const { s } = this;
    const byte = s.receiver.shift() ?? 0;
    s.timeoutPending = false;
    if (!(s.mcr & MCR_LOOP) && this.queueBytes > 0 && s.receiver.length < this.trigger)
      this.refill();
    if (s.receiver.length === 0) s.lsr &= ~LSR_DR;
    this.armTimeout();
    this.update();
    return byte;
  }

  // --- Interrupts

  private interruptSource(): number {
    const { s } = this;
    if (s.ier & IER_ELSI && s.lsr & LSR_ERRORS) return IIR_LINE;
    if (s.ier & IER_ERBFI) {
      if (s.receiver.length >= this.trigger) return IIR_DATA;
      if (s.timeoutPending) return IIR_TIMEOUT;
    }
    if (s.ier & IER_ETBEI && s.threPending) return IIR_THRE;
    if (s.ier & IER_EDSSI && s.msrDelta) return IIR_MODEM;
    return IIR_NONE;
  }

  private update(): void {
    // OUT2 gates the interrupt onto the bus (PC/AT); in loopback the pin is inactive.
    const gate = (this.s.mcr & (MCR_OUT2 | MCR_LOOP)) === MCR_OUT2;
    this.wires.irq.set(gate && this.interruptSource() !== IIR_NONE);
  }
}

function powerOn(): Ns16550State {
  return {
    version: 1,
    divisor: 12,
    ier: 0,
    fcr: 0,
    lcr: 0,
    mcr: 0,
    lsr: LSR_THRE | LSR_TEMT,
    msrDelta: 0,
    scr: 0,
    threPending: false,
    timeoutPending: false,
    receiver: [],
    queue: new Uint8Array(0),
  };
}
