/**
 * Realtek RTL8139 fast Ethernet controller (10EC:8139).
 * Document: Realtek RTL8139D data sheet revision 1.2. Scope: the four transmit descriptors, the receive ring, filters,
 * EEPROM, timer, link. Missing: the 8139C+ descriptor mode, wake-up, loopback, early receive and transmit.
 */
import type {
  AccessWidth,
  Clock,
  Device,
  GuestMemory,
  Mmio,
  NetworkBackend,
  PortIo,
  ResetKind,
  Timer,
} from '../../hw';
import { pciConfig, UNCONNECTED_IRQ, type PciBar, type PciFunction } from '../pci';
import { wireFrame } from './ethernet-fcs';
import { addressCrc, isBroadcast, isFor, isMulticast, MAC_BYTES, macBytes } from './mac-address';
import {
  EEPROM_WORDS,
  Microwire,
  MICROWIRE_CS,
  MICROWIRE_DI,
  MICROWIRE_DO,
  MICROWIRE_SK,
  type MicrowireState,
} from './microwire';

const WINDOW_BYTES = 256;

// Registers, section 6.
const IDR0 = 0x00;
const MAR0 = 0x08;
const TSD0 = 0x10;
const TSAD0 = 0x20;
const RBSTART = 0x30;
const CR = 0x37;
const CAPR = 0x38;
const CBR = 0x3a;
const IMR = 0x3c;
const ISR = 0x3e;
const TCR = 0x40;
const RCR = 0x44;
const TCTR = 0x48;
const CR9346 = 0x50;
const CONFIG1 = 0x52;
const TIMER_INT = 0x54;
const MSR = 0x58;
const CONFIG3 = 0x59;
const TSAD = 0x60;
const BMCR = 0x62;
const BMSR = 0x64;
const ANAR = 0x66;
const ANLPAR = 0x68;
const ANER = 0x6a;

const TSD_SIZE = 0x1fff;
const TSD_OWN = 0x2000;
const TSD_TOK = 0x8000;
const CR_BUFE = 0x01;
const CR_TE = 0x04;
const CR_RE = 0x08;
const CR_RST = 0x10;
const ISR_ROK = 0x0001;
const ISR_TOK = 0x0004;
const ISR_LINK = 0x0020;
const ISR_TIMEOUT = 0x4000;
const RCR_AAP = 0x01;
const RCR_APM = 0x02;
const RCR_AM = 0x04;
const RCR_AB = 0x08;
const RCR_WRAP = 0x80;
const EEM_PROGRAM = 0x80;
const EECS = 0x08;
const EESK = 0x04;
const EEDI = 0x02;
const EEDO = 0x01;
const MSR_LINKB = 0x04;
const BMSR_ABILITIES = 0x7809;
const BMSR_LINK_AND_DONE = 0x0024;
/** TCR bits 30-26: an RTL8139. */
const HARDWARE_VERSION = 0x6000_0000;

// Header of a received packet, section 5.7.
const RX_HEADER_BYTES = 4;
const RX_ROK = 0x0001;
const RX_BAR = 0x2000;
const RX_PAM = 0x4000;
const RX_MAR = 0x8000;
/** The ring goes on 16 bytes behind CAPR. */
const CAPR_OFFSET = 16;
/** Longest packet the descriptors take (section 6.3). */
const MAX_TX_BYTES = 1792;
/** The timer counts PCI clocks. */
const TIMER_HZ = 33_000_000;

/** Bits of each byte that software may write; registers with effects of their own are handled apart. */
const WRITABLE = new Uint8Array(WINDOW_BYTES);
for (const [from, to, mask] of [
  [IDR0, IDR0 + MAC_BYTES, 0xff],
  [MAR0, MAR0 + 8, 0xff],
  [TSAD0, TSAD0 + 16, 0xff],
  [RBSTART, RBSTART + 4, 0xff],
  [CAPR, CAPR + 2, 0xff],
  [IMR, IMR + 2, 0xff],
  [TCR, TCR + 3, 0xff],
  [TCR + 3, TCR + 4, 0x03],
  [RCR, RCR + 4, 0xff],
  [CR9346, CR9346 + 1, 0xfe],
  [CONFIG1, CONFIG1 + 1, 0xff],
  [TIMER_INT, TIMER_INT + 4, 0xff],
  [CONFIG3, CONFIG3 + 1, 0xff],
  [0x5a, 0x5b, 0xff],
  [0x5c, 0x5e, 0xff],
  [BMCR, BMCR + 2, 0xff],
  [ANAR, ANAR + 2, 0xff],
  [0x70, 0x84, 0xff],
  [0xd8, 0xd9, 0xff],
] as const)
  WRITABLE.fill(mask, from, to);

export interface Rtl8139State {
  version: 1;
  registers: Uint8Array;
  eeprom: MicrowireState;
  /** Virtual time at which the timer was 0. */
  timerStartNs: number;
}

export interface Rtl8139Capabilities {
  clock: Clock;
  memory: GuestMemory;
  network: NetworkBackend;
}

export class Rtl8139 implements Device<Rtl8139State>, PciFunction {
  readonly config: Uint8Array;
  readonly writeMask: Uint8Array;
  readonly clearMask: Uint8Array;
  readonly bars: readonly PciBar[];
  irq = UNCONNECTED_IRQ;
  readonly counters = { sent: 0, received: 0, filtered: 0 };
  private readonly mac: Uint8Array;
  private readonly eeprom: Microwire;
  private readonly registers = new Uint8Array(WINDOW_BYTES);
  private readonly view = new DataView(this.registers.buffer);
  private readonly timer: Timer;
  private timerStartNs = 0;

  constructor(
    readonly id: string,
    private readonly wires: Rtl8139Capabilities,
    settings: { readonly mac: string },
  ) {
    const space = pciConfig({
      vendor: 0x10ec,
      device: 0x8139,
      class: 0x020000,
      revision: 0x10,
      subsystemVendor: 0x10ec,
      subsystem: 0x8139,
      interruptPin: 1,
    });
    this.config = space.config;
    this.writeMask = space.writeMask;
    this.clearMask = space.clearMask;
    this.bars = [
      { index: 0, kind: 'io', size: WINDOW_BYTES, handler: this.ports },
      { index: 1, kind: 'mmio', size: WINDOW_BYTES, handler: this.window },
    ];
    this.mac = macBytes(settings.mac);
    this.eeprom = new Microwire(eepromImage(this.mac));
    this.timer = wires.clock.timer(() => {
      this.armTimer();
      this.cause(ISR_TIMEOUT);
    });
    wires.network.onReceive = (frame) => this.receive(frame);
    wires.network.onLinkChange = () => this.cause(ISR_LINK);
    this.reset('power-on');
  }

  reset(_kind: ResetKind): void {
    this.registers.fill(0);
    this.registers.set(this.mac, IDR0);
    this.eeprom.reset();
    this.registers[CONFIG1] = 0x0c; // memory and I/O mapped
    this.view.setUint16(BMCR, 0x3100, true); // 100 Mb/s, full duplex, autonegotiation
    this.view.setUint16(ANAR, 0x01e1, true);
    this.timerStartNs = this.wires.clock.now;
    this.softReset();
  }

  save(): Rtl8139State {
    return {
      version: 1,
      registers: new Uint8Array(this.registers),
      eeprom: { ...this.eeprom.s },
      timerStartNs: this.timerStartNs,
    };
  }

  restore(state: Rtl8139State): void {
    this.registers.set(state.registers.subarray(0, WINDOW_BYTES));
    this.eeprom.s = { ...state.eeprom };
    this.timerStartNs = state.timerStartNs;
    this.armTimer();
    this.wires.network.ready();
  }

  /** CR.RST: queues, interrupts and receive configuration; addresses stay (6.7). */
  private softReset(): void {
    this.registers[CR] = CR_BUFE;
    for (let i = 0; i < 4; i++) this.view.setUint32(TSD0 + 4 * i, TSD_OWN, true);
    this.registers.fill(0, TSAD0, RBSTART + 4);
    this.registers.fill(0, CAPR, RCR + 4);
    this.view.setUint16(CAPR, 0xfff0, true);
    this.view.setUint32(TIMER_INT, 0, true);
    this.timer.cancel();
    this.updateLine();
  }

  // --- Registers

  private readonly ports: PortIo = {
    readPort: (offset, width) => this.read(offset, width),
    writePort: (offset, width, value) => this.write(offset, width, value),
  };
  private readonly window: Mmio = {
    readMmio: (offset, width) => this.read(offset, width),
    writeMmio: (offset, width, value) => this.write(offset, width, value),
  };

  private read(offset: number, width: AccessWidth): number {
    this.refresh();
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + this.registers[(offset + i) & 0xff];
    return value;
  }

  /** Works out what depends on other things than writes. */
  private refresh(): void {
    const { registers, view, wires } = this;
    const up = wires.network.linkUp;
    registers[CR] = (registers[CR] & ~CR_BUFE) | (this.usedBytes === 0 ? CR_BUFE : 0);
    registers[CR9346] = (registers[CR9346] & ~EEDO) | (this.eeprom.pins & MICROWIRE_DO ? EEDO : 0);
    registers[MSR] = up ? 0 : MSR_LINKB;
    view.setUint32(TCR, (view.getUint32(TCR, true) & 0x03ffffff) | HARDWARE_VERSION, true);
    view.setUint32(TCTR, this.ticks, true);
    view.setUint16(BMSR, BMSR_ABILITIES | (up ? BMSR_LINK_AND_DONE : 0), true);
    view.setUint16(ANLPAR, up ? 0x41e1 : 0, true);
    view.setUint16(ANER, up ? 1 : 0, true);
    let summary = 0;
    for (let i = 0; i < 4; i++) {
      const status = view.getUint32(TSD0 + 4 * i, true);
      summary |= (status & TSD_OWN ? 1 << i : 0) | (status & TSD_TOK ? 0x1000 << i : 0);
    }
    view.setUint16(TSAD, summary, true);
  }

  private write(offset: number, width: AccessWidth, value: number): void {
    const at = offset & 0xff;
    const { registers, view } = this;
    if (at >= TSD0 && at < TSAD0) {
      // Transmit status is written as a whole.
      if (width === 4 && (at & 3) === 0) this.transmit((at - TSD0) >> 2, value >>> 0);
      return;
    }
    for (let i = 0; i < width && at + i < WINDOW_BYTES; i++) {
      const byte = (value >>> (8 * i)) & 0xff;
      const mask = WRITABLE[at + i];
      registers[at + i] = (registers[at + i] & ~mask) | (byte & mask);
      if (at + i === ISR || at + i === ISR + 1) registers[at + i] &= ~byte;
      else if (at + i === CR) this.command(byte);
      else if (at + i === CR9346) this.eeprom.write(pins(byte));
    }
    const touches = (register: number, bytes: number): boolean =>
      at < register + bytes && at + width > register;
    if (touches(IMR, 4)) this.updateLine();
    if (touches(BMCR, 2)) {
      // Reset and restart of autonegotiation end at once.
      const control = view.getUint16(BMCR, true);
      view.setUint16(BMCR, control & 0x8000 ? 0x3100 : control & ~0x0200, true);
    }
    if (touches(TCTR, 4)) this.timerStartNs = this.wires.clock.now;
    if (touches(TCTR, 4) || touches(TIMER_INT, 4)) this.armTimer();
    if (touches(CAPR, 2) || touches(RCR, 4) || touches(CR, 1)) this.wires.network.ready();
  }

  private command(value: number): void {
    if (value & CR_RST) return this.softReset();
    // Switching the receiver on begins at the start of the ring.
    if (value & ~this.registers[CR] & CR_RE) {
      this.view.setUint16(CBR, 0, true);
      this.view.setUint16(CAPR, 0xfff0, true);
    }
    this.registers[CR] = value & (CR_TE | CR_RE);
  }

  // --- Interrupts and timer

  private cause(bits: number): void {
    this.view.setUint16(ISR, this.view.getUint16(ISR, true) | bits, true);
    this.updateLine();
  }

  private updateLine(): void {
    const { view } = this;
    this.irq.set((view.getUint16(ISR, true) & view.getUint16(IMR, true)) !== 0);
  }

  private get ticks(): number {
    const ns = this.wires.clock.now - this.timerStartNs;
    return Math.floor((ns * TIMER_HZ) / 1e9) % 0x1_0000_0000;
  }

  /** The next time that the counter reaches TimerInt; 0 asks for none. */
  private armTimer(): void {
    const target = this.view.getUint32(TIMER_INT, true);
    if (target === 0) return this.timer.cancel();
    const left = target - this.ticks;
    const ticks = left > 0 ? left : left + 0x1_0000_0000;
    this.timer.arm(this.wires.clock.now + Math.ceil((ticks * 1e9) / TIMER_HZ));
  }

  // --- Transmit

  private transmit(index: number, value: number): void {
    const { view } = this;
    const at = TSD0 + 4 * index;
    if (!(this.registers[CR] & CR_TE) || value & TSD_OWN) {
      view.setUint32(at, value, true);
      return;
    }
    const bytes = Math.min(value & TSD_SIZE, MAX_TX_BYTES);
    const frame = this.wires.memory.read(view.getUint32(TSAD0 + 4 * index, true), bytes);
    this.wires.network.send(frame);
    this.counters.sent++;
    view.setUint32(at, (value | TSD_OWN | TSD_TOK) >>> 0, true);
    this.cause(ISR_TOK);
  }

  // --- Receive

  /** RCR.RBLEN: 8 to 64 KiB, without the room behind the end. */
  private get ringBytes(): number {
    return 8192 << ((this.view.getUint32(RCR, true) >>> 11) & 3);
  }

  private get usedBytes(): number {
    const size = this.ringBytes;
    const from = (this.view.getUint16(CAPR, true) + CAPR_OFFSET) & (size - 1);
    return (this.view.getUint16(CBR, true) - from + size) & (size - 1);
  }

  private receive(frame: Uint8Array): boolean {
    if (!(this.registers[CR] & CR_RE)) return true;
    const status = this.classify(frame);
    if (status === 0) {
      this.counters.filtered++;
      return true;
    }
    const wire = wireFrame(frame);
    const bytes = (RX_HEADER_BYTES + wire.length + 3) & ~3;
    const size = this.ringBytes;
    // A ring filled to the brim would look empty.
    if (bytes >= size - this.usedBytes) return false;
    const packet = new Uint8Array(RX_HEADER_BYTES + wire.length);
    new DataView(packet.buffer).setUint32(0, status | (wire.length << 16), true);
    packet.set(wire, RX_HEADER_BYTES);
    const at = this.view.getUint16(CBR, true) & (size - 1);
    const base = this.view.getUint32(RBSTART, true);
    const { memory } = this.wires;
    // WRAP lets a packet run over the end; a ring of 64 KiB always wraps.
    const wraps = !(this.registers[RCR] & RCR_WRAP) || size === 0x10000;
    const first = wraps ? Math.min(packet.length, size - at) : packet.length;
    memory.write(base + at, packet.subarray(0, first));
    memory.write(base, packet.subarray(first));
    this.view.setUint16(CBR, (at + bytes) & (size - 1), true);
    this.counters.received++;
    this.cause(ISR_ROK);
    return true;
  }

  /** Status bits of a packet that the filters let in, 0 for others. */
  private classify(frame: Uint8Array): number {
    const rcr = this.registers[RCR];
    const all = (rcr & RCR_AAP) !== 0;
    if (isBroadcast(frame)) return all || rcr & RCR_AB ? RX_ROK | RX_BAR : 0;
    if (isMulticast(frame)) {
      const hash = addressCrc(frame) >>> 26;
      const isIn = (this.registers[MAR0 + (hash >> 3)] & (1 << (hash & 7))) !== 0;
      return all || (rcr & RCR_AM && isIn) ? RX_ROK | RX_MAR : 0;
    }
    if (isFor(frame, this.registers, IDR0)) return all || rcr & RCR_APM ? RX_ROK | RX_PAM : 0;
    return all ? RX_ROK : 0;
  }
}

/** Pins of 9346CR in programming mode as the EEPROM's. */
function pins(value: number): number {
  if (!(value & EEM_PROGRAM)) return 0;
  return (
    (value & EECS ? MICROWIRE_CS : 0) |
    (value & EESK ? MICROWIRE_SK : 0) |
    (value & EEDI ? MICROWIRE_DI : 0)
  );
}

/** Section 7: identity, and the address in words 7 to 9. */
function eepromImage(mac: Uint8Array): Uint16Array {
  const words = new Uint16Array(EEPROM_WORDS);
  words.set([0x8129, 0x10ec, 0x8139, 0x10ec, 0x8139]);
  for (let i = 0; i < MAC_BYTES / 2; i++) words[7 + i] = mac[2 * i] | (mac[2 * i + 1] << 8);
  return words;
}
