/**
 * NE2000-compatible PCI network card: a Realtek RTL8029 (10EC:8029), which is a DP8390 with 32 KiB of memory.
 * Documents: National Semiconductor DP8390D; Realtek RTL8029AS data sheet.
 * Scope: remote DMA, transmit, receive ring, filters. Missing: loopback that is received, EEPROM pins, monitor mode
 * counters.
 */
import type { AccessWidth, Device, NetworkBackend, PortIo, ResetKind } from '../../hw';
import { pciConfig, UNCONNECTED_IRQ, type PciBar, type PciFunction } from '../pci';
import { wireFrame } from './ethernet-fcs';
import { addressCrc, isBroadcast, isFor, isMulticast, macBytes } from './mac-address';

const PORTS = 32;
/** Ports 10h to 17h are the data port, 18h to 1Fh reset. */
const DATA_PORT = 0x10;
const RESET_PORT = 0x18;

// Page 0, DP8390D section 10.
const CR = 0x00;
const PSTART = 0x01;
const PSTOP = 0x02;
const BNRY = 0x03;
const TPSR = 0x04;
const TBCR0 = 0x05;
const TBCR1 = 0x06;
const ISR = 0x07;
const RSAR0 = 0x08;
const RSAR1 = 0x09;
const RBCR0 = 0x0a;
const RBCR1 = 0x0b;
const RCR = 0x0c;
const TCR = 0x0d;
const DCR = 0x0e;
const IMR = 0x0f;
const CURR = 0x07;

const CR_STP = 0x01;
const CR_STA = 0x02;
const CR_TXP = 0x04;
const CR_REMOTE_READ = 1;
const CR_REMOTE_WRITE = 2;
const CR_SEND_PACKET = 3;
const CR_REMOTE_ABORT = 0x20;
const ISR_PRX = 0x01;
const ISR_PTX = 0x02;
const ISR_RDC = 0x40;
const ISR_RST = 0x80;
const TSR_PTX = 0x01;
const RSR_PRX = 0x01;
const RSR_PHY = 0x20;
const RCR_AB = 0x04;
const RCR_AM = 0x08;
const RCR_PRO = 0x10;
const RCR_MON = 0x20;
const TCR_LOOPBACK = 0x06;
const DCR_WTS = 0x01;
/** What the RTL8029 shows in registers 0Ah and 0Bh of page 0: "PC". */
const RTL8029_ID = [0x50, 0x43] as const;

const PROM_BYTES = 32;
const MEMORY_BASE = 0x4000;
const MEMORY_BYTES = 0x8000;
const PAGE = 256;
const RX_HEADER_BYTES = 4;

export interface Ne2kPciState {
  version: 1;
  command: number;
  isr: number;
  tsr: number;
  rsr: number;
  /** Write-only registers of page 0 as written. */
  page0: Uint8Array;
  /** PAR, CURR and MAR. */
  page1: Uint8Array;
  /** Remote DMA: next address and bytes left. */
  remote: number;
  remoteLeft: number;
  memory: Uint8Array;
}

export class Ne2kPci implements Device<Ne2kPciState>, PciFunction {
  readonly config: Uint8Array;
  readonly writeMask: Uint8Array;
  readonly clearMask: Uint8Array;
  readonly bars: readonly PciBar[];
  irq = UNCONNECTED_IRQ;
  readonly counters = { sent: 0, received: 0, filtered: 0 };
  private readonly prom = new Uint8Array(PROM_BYTES);
  private s = powerOn();

  constructor(
    readonly id: string,
    private readonly network: NetworkBackend,
    settings: { readonly mac: string },
  ) {
    const space = pciConfig({
      vendor: 0x10ec,
      device: 0x8029,
      class: 0x020000,
      subsystemVendor: 0x10ec,
      subsystem: 0x8029,
      interruptPin: 1,
    });
    this.config = space.config;
    this.writeMask = space.writeMask;
    this.clearMask = space.clearMask;
    this.bars = [{ index: 0, kind: 'io', size: PORTS, handler: this.ports }];
    // Every byte stands twice, and 57h in the last words says that the card is 16 bits wide.
    macBytes(settings.mac).forEach((byte, i) => this.prom.fill(byte, 2 * i, 2 * i + 2));
    this.prom.fill(0x57, 28);
    network.onReceive = (frame) => this.receive(frame);
  }

  reset(_kind: ResetKind): void {
    this.s = powerOn();
    this.updateLine();
  }

  save(): Ne2kPciState {
    return copyState(this.s);
  }

  restore(state: Ne2kPciState): void {
    this.s = copyState(state);
    this.network.ready();
  }

  // --- Ports

  private readonly ports: PortIo = {
    readPort: (offset, width) => this.read(offset, width),
    writePort: (offset, width, value) => this.write(offset, width, value),
  };

  private read(offset: number, width: AccessWidth): number {
    if (offset >= DATA_PORT && offset < RESET_PORT) return this.readData(width);
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + this.readByte(offset + i);
    return value;
  }

  private write(offset: number, width: AccessWidth, value: number): void {
    if (offset >= DATA_PORT && offset < RESET_PORT) return this.writeData(width, value);
    for (let i = 0; i < width; i++) this.writeByte(offset + i, (value >>> (8 * i)) & 0xff);
  }

  private readByte(offset: number): number {
    if (offset >= RESET_PORT) {
      this.stop();
      return 0xff;
    }
    if (offset === CR) return this.s.command;
    switch (this.s.command >> 6) {
      case 0:
        return this.readPage0(offset);
      case 1:
        return this.s.page1[offset];
      case 2:
        return this.s.page0[offset];
      default:
        return 0;
    }
  }

  private readPage0(offset: number): number {
    const { s } = this;
    switch (offset) {
      case BNRY:
        return s.page0[BNRY];
      case TPSR:
        return s.tsr;
      case ISR:
        return s.isr;
      case RSAR0:
        return s.remote & 0xff;
      case RSAR1:
        return s.remote >> 8;
      case RBCR0:
      case RBCR1:
        return RTL8029_ID[offset - RBCR0];
      case RCR:
        return s.rsr;
      default:
        // Local DMA address, collisions and error counters: nothing goes wrong on this wire.
        return 0;
    }
  }

  private writeByte(offset: number, value: number): void {
    const { s } = this;
    if (offset >= RESET_PORT) return;
    if (offset === CR) return this.writeCommand(value);
    const page = s.command >> 6;
    if (page === 1) {
      s.page1[offset] = value;
      return;
    }
    if (page !== 0) return;
    if (offset === ISR) {
      s.isr &= ~value;
      return this.updateLine();
    }
    s.page0[offset] = value;
    if (offset === RSAR0 || offset === RSAR1) s.remote = s.page0[RSAR0] | (s.page0[RSAR1] << 8);
    else if (offset === RBCR0 || offset === RBCR1)
      s.remoteLeft = s.page0[RBCR0] | (s.page0[RBCR1] << 8);
    else if (offset === IMR) this.updateLine();
    else if (offset === BNRY) this.network.ready();
  }

  private writeCommand(value: number): void {
    const { s } = this;
    s.command = value & ~CR_TXP;
    if (value & CR_STP) s.isr |= ISR_RST;
    else if (value & CR_STA) s.isr &= ~ISR_RST;
    const remote = (value >> 3) & 7;
    if (remote === CR_SEND_PACKET) {
      s.remote = s.page0[BNRY] * PAGE;
      s.remoteLeft = this.peek(s.remote + 2) | (this.peek(s.remote + 3) << 8);
    }
    const isDma = remote === CR_REMOTE_READ || remote === CR_REMOTE_WRITE;
    if (isDma && s.remoteLeft === 0) this.cause(ISR_RDC);
    if (value & CR_TXP && !(value & CR_STP)) this.transmit();
    this.updateLine();
    this.network.ready();
  }

  /** The reset port. */
  private stop(): void {
    this.s.command = CR_STP | CR_REMOTE_ABORT;
    this.s.isr = ISR_RST;
    this.updateLine();
  }

  private cause(bits: number): void {
    this.s.isr |= bits;
    this.updateLine();
  }

  private updateLine(): void {
    this.irq.set((this.s.isr & this.s.page0[IMR] & 0x7f) !== 0);
  }

  // --- Remote DMA

  private peek(address: number): number {
    if (address < PROM_BYTES) return this.prom[address];
    return this.s.memory[address - MEMORY_BASE] ?? 0xff;
  }

  private readData(width: AccessWidth): number {
    const bytes = this.dataBytes(width);
    let value = 0;
    for (let i = 0; i < bytes; i++) value += this.peek((this.s.remote + i) & 0xffff) * 256 ** i;
    this.advance(bytes);
    return value;
  }

  private writeData(width: AccessWidth, value: number): void {
    const bytes = this.dataBytes(width);
    for (let i = 0; i < bytes && this.s.remoteLeft > 0; i++) {
      const at = ((this.s.remote + i) & 0xffff) - MEMORY_BASE;
      if (at >= 0 && at < MEMORY_BYTES) this.s.memory[at] = value >>> (8 * i);
    }
    this.advance(bytes);
  }

  /** DCR.WTS: without it the port is eight bits wide. */
  private dataBytes(width: AccessWidth): number {
    return this.s.page0[DCR] & DCR_WTS ? width : 1;
  }

  private advance(bytes: number): void {
    const { s } = this;
    s.remote = (s.remote + bytes) & 0xffff;
    // Reaching the end of the ring goes on at its start (DP8390D 7.3).
    if (s.remote === s.page0[PSTOP] * PAGE) s.remote = s.page0[PSTART] * PAGE;
    if (s.remoteLeft === 0) return;
    s.remoteLeft = Math.max(0, s.remoteLeft - bytes);
    if (s.remoteLeft === 0) this.cause(ISR_RDC);
  }

  // --- Wire

  private transmit(): void {
    const { s } = this;
    const from = s.page0[TPSR] * PAGE - MEMORY_BASE;
    const bytes = s.page0[TBCR0] | (s.page0[TBCR1] << 8);
    if (from >= 0 && from + bytes <= MEMORY_BYTES && !(s.page0[TCR] & TCR_LOOPBACK)) {
      this.network.send(s.memory.subarray(from, from + bytes));
      this.counters.sent++;
    }
    s.tsr = TSR_PTX;
    this.cause(ISR_PTX);
  }

  private receive(frame: Uint8Array): boolean {
    const { s } = this;
    if (s.command & CR_STP || !(s.command & CR_STA)) return true;
    const start = s.page0[PSTART];
    const stop = s.page0[PSTOP];
    const current = s.page1[CURR];
    const isRing = start * PAGE >= MEMORY_BASE && stop * PAGE <= MEMORY_BASE + MEMORY_BYTES;
    if (!isRing || stop <= start || current < start || current >= stop) return true;
    const status = this.classify(frame);
    if (status === 0 || s.page0[RCR] & RCR_MON) {
      this.counters.filtered++;
      return true;
    }
    const wire = wireFrame(frame);
    const pages = Math.ceil((RX_HEADER_BYTES + wire.length) / PAGE);
    const boundary = s.page0[BNRY];
    const free = (boundary - current + stop - start) % (stop - start) || stop - start;
    if (pages >= free) return false;
    const next = current + pages >= stop ? current + pages - (stop - start) : current + pages;
    const packet = new Uint8Array(RX_HEADER_BYTES + wire.length);
    packet.set([status, next, wire.length & 0xff, wire.length >> 8]);
    packet.set(wire, RX_HEADER_BYTES);
    const at = current * PAGE - MEMORY_BASE;
    const first = Math.min(packet.length, (stop - current) * PAGE);
    s.memory.set(packet.subarray(0, first), at);
    s.memory.set(packet.subarray(first), start * PAGE - MEMORY_BASE);
    s.page1[CURR] = next;
    s.rsr = status;
    this.counters.received++;
    this.cause(ISR_PRX);
    return true;
  }

  /** Receive status of a packet that the filters let in, 0 for others. */
  private classify(frame: Uint8Array): number {
    const rcr = this.s.page0[RCR];
    const all = (rcr & RCR_PRO) !== 0;
    if (isBroadcast(frame)) return rcr & RCR_AB ? RSR_PRX | RSR_PHY : 0;
    if (isMulticast(frame)) {
      const hash = addressCrc(frame) >>> 26;
      const isIn = (this.s.page1[8 + (hash >> 3)] & (1 << (hash & 7))) !== 0;
      return rcr & RCR_AM && isIn ? RSR_PRX | RSR_PHY : 0;
    }
    return all || isFor(frame, this.s.page1, 1) ? RSR_PRX : 0;
  }
}

function powerOn(): Ne2kPciState {
  return {
    version: 1,
    command: CR_STP | CR_REMOTE_ABORT,
    isr: ISR_RST,
    tsr: 0,
    rsr: 0,
    page0: new Uint8Array(16),
    page1: new Uint8Array(16),
    remote: 0,
    remoteLeft: 0,
    memory: new Uint8Array(MEMORY_BYTES),
  };
}

function copyState(s: Ne2kPciState): Ne2kPciState {
  return {
    ...s,
    page0: new Uint8Array(s.page0),
    page1: new Uint8Array(s.page1),
    memory: new Uint8Array(s.memory),
  };
}
