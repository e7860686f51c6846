/**
 * Intel 82540EM gigabit Ethernet controller (8086:100E).
 * Document: Intel 317453-005 (PCI/PCI-X Family of Gigabit Ethernet Controllers).
 * Scope: descriptor rings, checksum offload both ways, TCP segmentation, address, multicast and VLAN filters, VLAN
 * tags, interrupt throttling, link changes. Missing: flow control, wake-up, loopback, receive delay timers (packets
 * are shown at once), packet split. The FCS of frames that the back end makes itself (TCP from the NAT, which never was
 * on a wire) reads as zero: making it took longer than all else the card does, and drivers cut it off.
 */
import {
  MAX_LARGE_FRAME_BYTES,
  OFFLOAD_GOOD,
  OFFLOAD_PARTIAL,
  type AccessWidth,
  type Clock,
  type Device,
  type GuestMemory,
  type Mmio,
  type NetworkBackend,
  type PortIo,
  type ResetKind,
  type Timer,
} from '../../hw';
import { pciConfig, UNCONNECTED_IRQ, type PciBar, type PciFunction } from '../pci';
import { eepromImage } from './e1000-eeprom';
import { E1000Phy } from './e1000-phy';
import * as r from './e1000-regs';
import { E1000Transmit, type E1000TransmitState } from './e1000-transmit';
import { FCS_BYTES, wireFrame } from './ethernet-fcs';
import { bufferBytes, checksumReport, isWanted, stripTag, type Untagged } from './e1000-receive';
import { isBroadcast, isMulticast, macBytes } from './mac-address';
import { Microwire, type MicrowireState } from './microwire';
import { sealLarge, type Segmentation } from './offload';

const MEMORY_BYTES = 0x20000;
const IO_BYTES = 64;
const IOADDR = 0;
const IODATA = 4;
const PHY_ADDRESS = 1;
/** Longest frame without LPE, FCS included (13.4.22). */
const MAX_WIRE_BYTES = 1522;
const ITR_UNIT_NS = 256;

export interface E1000State {
  version: 1;
  registers: Uint32Array;
  phy: Uint16Array;
  eeprom: MicrowireState;
  transmit: E1000TransmitState;
  ioAddress: number;
  /** Virtual time before which the line does not rise again. */
  quietUntilNs: number;
  line: boolean;
}

export interface E1000Capabilities {
  clock: Clock;
  memory: GuestMemory;
  network: NetworkBackend;
}

export interface E1000Config {
  /** `00:16:3e:xx:xx:xx`. */
  readonly mac: string;
}

export class E1000 implements Device<E1000State>, PciFunction {
  readonly config: Uint8Array;
  readonly writeMask: Uint8Array;
  readonly clearMask: Uint8Array;
  readonly bars: readonly PciBar[];
  irq = UNCONNECTED_IRQ;
  readonly counters = { sent: 0, received: 0, filtered: 0 };
  private readonly memory: GuestMemory;
  private readonly network: NetworkBackend;
  private readonly eepromWords: Uint16Array;
  private readonly eeprom: Microwire;
  private readonly phy: E1000Phy;
  private readonly transmit: E1000Transmit;
  private readonly throttle: Timer;
  private readonly registers = new Uint32Array(r.REGISTER_BYTES >> 2);
  private ioAddress = 0;
  private quietUntilNs = 0;
  private line = false;

  constructor(
    readonly id: string,
    private readonly wires: E1000Capabilities,
    settings: E1000Config,
  ) {
    const space = pciConfig({
      vendor: 0x8086,
      device: 0x100e,
      class: 0x020000,
      revision: 2,
      subsystemVendor: 0x8086,
      subsystem: 0x001e,
      interruptPin: 1,
      status: 0x0220,
    });
    this.config = space.config;
    this.writeMask = space.writeMask;
    this.clearMask = space.clearMask;
    this.bars = [
      { index: 0, kind: 'mmio', size: MEMORY_BYTES, handler: this.window },
      { index: 2, kind: 'io', size: IO_BYTES, handler: this.ports },
    ];
    const { memory, network, clock } = wires;
    this.memory = memory;
    this.network = network;
    this.eepromWords = eepromImage(macBytes(settings.mac));
    this.eeprom = new Microwire(this.eepromWords);
    this.phy = new E1000Phy(() => network.linkUp);
    this.transmit = new E1000Transmit({
      memory,
      send: (frame) => this.send(frame),
      sendLarge: (frame, layout) => this.sendLarge(frame, layout),
      vlanType: () => (this.reg(r.CTRL) & r.CTRL_VME ? this.reg(r.VET) & 0xffff : 0),
    });
    this.throttle = clock.timer(() => this.updateLine());
    network.onReceive = (frame, offload) => this.receive(frame, offload === OFFLOAD_GOOD);
    network.onLinkChange = () => this.cause(r.INT_LSC);
    this.resetController();
  }

  reset(_kind: ResetKind): void {
    this.phy.reset();
    this.ioAddress = 0;
    this.resetController();
  }

  save(): E1000State {
    return {
      version: 1,
      registers: new Uint32Array(this.registers),
      phy: new Uint16Array(this.phy.registers),
      eeprom: { ...this.eeprom.s },
      transmit: this.transmit.save(),
      ioAddress: this.ioAddress,
      quietUntilNs: this.quietUntilNs,
      line: this.line,
    };
  }

  restore(state: E1000State): void {
    this.registers.set(state.registers.subarray(0, this.registers.length));
    this.phy.registers.set(state.phy.subarray(0, this.phy.registers.length));
    this.eeprom.s = { ...state.eeprom };
    this.transmit.restore(state.transmit);
    this.ioAddress = state.ioAddress;
    this.quietUntilNs = state.quietUntilNs;
    // The bus restores the level of the line; a rise that was held back comes when its time is over.
    this.line = state.line;
    if (this.isPending && !this.line) this.throttle.arm(this.quietUntilNs);
    this.network.ready();
  }

  // --- Registers

  private readonly window: Mmio = {
    readMmio: (offset, width) => this.readWindow(offset, width),
    writeMmio: (offset, width, value) => this.writeWindow(offset, width, value),
  };

  /** IOADDR and IODATA: all registers through I/O space (13.2.2). */
  private readonly ports: PortIo = {
    readPort: (offset, width) => {
      const value = offset < IODATA ? this.ioAddress : this.readWindow(this.ioAddress, 4);
      return width === 4 ? value : (value >>> (8 * (offset & 3))) & (width === 2 ? 0xffff : 0xff);
    },
    writePort: (offset, width, value) => {
      if (width !== 4) return;
      if (offset === IOADDR) this.ioAddress = value % MEMORY_BYTES;
      else if (offset === IODATA) this.writeWindow(this.ioAddress, 4, value);
    },
  };

  private readWindow(offset: number, width: AccessWidth): number {
    const at = offset & ~3;
    const value = at < r.REGISTER_BYTES ? this.readRegister(at) : 0;
    if (width === 4) return value >>> 0;
    return (value >>> (8 * (offset & 3))) & (width === 2 ? 0xffff : 0xff);
  }

  private writeWindow(offset: number, width: AccessWidth, value: number): void {
    const at = offset & ~3;
    if (at >= r.REGISTER_BYTES) return;
    if (width === 4) return this.writeRegister(at, value >>> 0);
    // Registers are 32 bits wide (13.1): a narrower write goes with the bytes that are there.
    const shift = 8 * (offset & 3);
    const mask = ((width === 2 ? 0xffff : 0xff) << shift) >>> 0;
    this.writeRegister(at, ((this.reg(at) & ~mask) | ((value << shift) & mask)) >>> 0);
  }

  private readonly reg = (offset: number): number => this.registers[offset >> 2];

  private set(offset: number, value: number): void {
    this.registers[offset >> 2] = value;
  }

  private readRegister(at: number): number {
    const value = this.reg(at);
    switch (at) {
      case r.STATUS:
        return r.STATUS_FD | r.STATUS_SPEED_1000 | (this.phy.linkUp ? r.STATUS_LU : 0);
      case r.EECD: {
        const grant = value & r.EECD_REQ ? r.EECD_REQ | r.EECD_GNT : 0;
        return this.eeprom.pins | grant | r.EECD_PRES | r.EECD_FWE_DISABLED;
      }
      case r.ICR:
        // Reading clears the causes.
        this.set(r.ICR, 0);
        this.updateLine();
        return value;
      case r.ICS:
      case r.IMC:
        return 0;
      default:
        if (at >= r.STATISTICS && at < r.STATISTICS_END) this.set(at, 0);
        return value;
    }
  }

  private writeRegister(at: number, value: number): void {
    switch (at) {
      case r.CTRL:
        return this.writeControl(value);
      case r.STATUS:
        return;
      case r.EECD:
        this.set(r.EECD, value & r.EECD_REQ);
        return this.eeprom.write(value);
      case r.EERD:
        if (value & r.EERD_START) {
          const address = (value >>> 8) & 0x3f;
          this.set(
            r.EERD,
            ((this.eepromWords[address] << 16) | (address << 8) | r.EERD_DONE) >>> 0,
          );
        }
        return;
      case r.MDIC:
        return this.writeMdic(value);
      case r.ICR:
        this.set(r.ICR, this.reg(r.ICR) & ~value);
        return this.updateLine();
      case r.ICS:
        return this.cause(value);
      case r.IMS:
        this.set(r.IMS, this.reg(r.IMS) | value);
        return this.updateLine();
      case r.IMC:
        this.set(r.IMS, this.reg(r.IMS) & ~value);
        return this.updateLine();
      case r.RCTL:
        this.set(at, value);
        return this.network.ready();
      case r.RDH:
      case r.TDH:
        this.set(at, value & 0xffff);
        return;
      case r.RDT:
        this.set(at, value & 0xffff);
        return this.network.ready();
      case r.RDBAL:
      case r.TDBAL:
        this.set(at, (value & ~15) >>> 0);
        return;
      case r.RDLEN:
      case r.TDLEN:
        this.set(at, value & 0xfff80);
        return;
      case r.TDT:
        this.set(at, value & 0xffff);
        return this.runTransmit();
      case r.TCTL:
        this.set(at, value);
        return this.runTransmit();
      default:
        this.set(at, value);
    }
  }

  private writeControl(value: number): void {
    if (value & r.CTRL_PHY_RST) this.phy.reset();
    if (value & r.CTRL_RST) return this.resetController();
    this.set(r.CTRL, (value & ~r.CTRL_PHY_RST) >>> 0);
  }

  private writeMdic(value: number): void {
    const register = (value >>> 16) & 31;
    let result = value & 0x0fffffff;
    if (((value >>> 21) & 31) !== PHY_ADDRESS) result |= r.MDIC_E;
    else if (value & r.MDIC_OP_READ) result = (result & ~0xffff) | this.phy.read(register);
    else if (value & r.MDIC_OP_WRITE && this.phy.write(register, value & 0xffff))
      this.cause(r.INT_LSC);
    this.set(r.MDIC, (result | r.MDIC_R) >>> 0);
    if (value & r.MDIC_I) this.cause(r.INT_MDAC);
  }

  /** CTRL.RST and power-on: registers to their defaults, the address from the EEPROM (13.4.1). */
  private resetController(): void {
    this.registers.fill(0);
    this.eeprom.reset();
    this.transmit.reset();
    this.throttle.cancel();
    this.quietUntilNs = 0;
    const [low, middle, high] = this.eepromWords;
    this.set(r.CTRL, r.CTRL_FD | r.CTRL_SLU);
    this.set(r.VET, 0x8100);
    this.set(r.PBA, 0x0010_0030);
    this.set(r.RAL0, (low | (middle << 16)) >>> 0);
    this.set(r.RAH0, (high | r.RAH_AV) >>> 0);
    this.updateLine();
  }

  // --- Interrupts

  private get isPending(): boolean {
    return (this.reg(r.ICR) & this.reg(r.IMS)) !== 0;
  }

  private cause(bits: number): void {
    this.set(r.ICR, (this.reg(r.ICR) | (bits & 0x1ffff)) >>> 0);
    this.updateLine();
  }

  /** The line follows the causes; it rises no more often than ITR allows (13.4.18). */
  private updateLine(): void {
    const pending = this.isPending;
    if (pending === this.line) return;
    if (pending) {
      const { now } = this.wires.clock;
      if (now < this.quietUntilNs) {
        this.throttle.arm(this.quietUntilNs);
        return;
      }
      this.quietUntilNs = now + (this.reg(r.ITR) & 0xffff) * ITR_UNIT_NS;
    }
    this.line = pending;
    this.irq.set(pending);
  }

  // --- Transmit

  private runTransmit(): void {
    if (!(this.reg(r.TCTL) & r.TCTL_EN)) return;
    const count = this.reg(r.TDLEN) / r.DESCRIPTOR_BYTES;
    const tail = this.reg(r.TDT);
    // A head or tail outside of the ring stops transmission until the driver mends it.
    if (this.reg(r.TDH) >= count || tail >= count || this.reg(r.TDH) === tail) return;
    const base = this.reg(r.TDBAL) + this.reg(r.TDBAH) * 0x1_0000_0000;
    let causes = r.INT_TXQE;
    for (let head = this.reg(r.TDH); head !== tail;) {
      if (this.transmit.run(base + head * r.DESCRIPTOR_BYTES)) causes |= r.INT_TXDW;
      head = head + 1 === count ? 0 : head + 1;
      this.set(r.TDH, head);
    }
    this.cause(causes);
  }

  private send(frame: Uint8Array): void {
    this.counters.sent++;
    this.count(r.GPTC, r.TPT, r.GOTCL, r.TOTL, frame);
    if (isBroadcast(frame)) this.increment(r.BPTC, 1);
    else if (isMulticast(frame)) this.increment(r.MPTC, 1);
    this.network.send(frame);
  }

  /** Statistics are those of the frames that would be on the wire, bytes within a few headers. */
  private sendLarge(frame: Uint8Array, layout: Segmentation): boolean {
    const { network } = this;
    if (!network.takesOffload || frame.length > MAX_LARGE_FRAME_BYTES) return false;
    if (isMulticast(frame)) return false;
    const segments = Math.max(1, Math.ceil((frame.length - layout.payload) / layout.mss));
    this.counters.sent += segments;
    this.count(r.GPTC, r.TPT, r.GOTCL, r.TOTL, frame, segments);
    sealLarge(frame, layout);
    network.send(frame, OFFLOAD_PARTIAL);
    return true;
  }

  // --- Receive

  private receive(frame: Uint8Array, isGood: boolean): boolean {
    const rctl = this.reg(r.RCTL);
    if (!(rctl & r.RCTL_EN)) return true;
    if (!isWanted(this.reg, frame)) {
      this.counters.filtered++;
      return true;
    }
    const untagged = stripTag(this.reg, frame);
    const isStripped = (rctl & r.RCTL_SECRC) !== 0;
    const wire = wireFrame(untagged.frame, !isStripped && !isGood);
    if (wire.length > MAX_WIRE_BYTES && !(rctl & r.RCTL_LPE)) return true;
    const bytes = isStripped ? wire.subarray(0, wire.length - FCS_BYTES) : wire;
    const size = bufferBytes(rctl);
    const count = this.reg(r.RDLEN) / r.DESCRIPTOR_BYTES;
    const head = this.reg(r.RDH);
    const tail = this.reg(r.RDT);
    if (head >= count) return true;
    const free = tail >= head ? tail - head : tail + count - head;
    if (free < Math.ceil(bytes.length / size)) return false;
    this.fill(bytes, size, count, untagged, isGood);
    this.counters.received++;
    this.count(r.GPRC, r.TPR, r.GORCL, r.TORL, frame);
    if (isBroadcast(frame)) this.increment(r.BPRC, 1);
    else if (isMulticast(frame)) this.increment(r.MPRC, 1);
    const left = free - Math.ceil(bytes.length / size);
    // RDMTS: a half, a quarter or an eighth of the ring is left.
    const isLow = left <= count >> (((rctl >>> 8) & 3) + 1);
    this.cause(r.INT_RXT0 | (isLow ? r.INT_RXDMT0 : 0));
    return true;
  }

  private fill(
    bytes: Uint8Array,
    size: number,
    count: number,
    { frame, tag }: Untagged,
    isGood: boolean,
  ): void {
    const { memory } = this;
    const base = this.reg(r.RDBAL) + this.reg(r.RDBAH) * 0x1_0000_0000;
    let head = this.reg(r.RDH);
    for (let at = 0; at < bytes.length; at += size) {
      const descriptor = base + head * r.DESCRIPTOR_BYTES;
      const part = bytes.subarray(at, at + size);
      const isLast = at + size >= bytes.length;
      const gpa = memory.readU32(descriptor) + memory.readU32(descriptor + 4) * 0x1_0000_0000;
      memory.write(gpa, part);
      const report = isLast
        ? checksumReport(this.reg(r.RXCSUM), frame, isGood)
        : { status: 0, errors: 0, sum: 0 };
      const status =
        r.RX_STATUS_DD |
        (isLast ? r.RX_STATUS_EOP : 0) |
        (isLast && tag >= 0 ? r.RX_STATUS_VP : 0) |
        report.status;
      memory.writeU16(descriptor + 8, part.length);
      memory.writeU16(descriptor + 10, report.sum);
      memory.writeU16(descriptor + 14, Math.max(tag, 0));
      memory.writeU16(descriptor + 12, status | (report.errors << 8));
      head = head + 1 === count ? 0 : head + 1;
    }
    this.set(r.RDH, head);
  }

  // --- Statistics

  /** A frame in a pair of packet counters and a pair of 64-bit byte counters (13.7). */
  private count(
    good: number,
    total: number,
    goodBytes: number,
    allBytes: number,
    frame: Uint8Array,
    frames = 1,
  ): void {
    this.increment(good, frames);
    this.increment(total, frames);
    for (const low of [goodBytes, allBytes]) {
      const sum = this.reg(low) + frame.length + FCS_BYTES * frames;
      this.set(low, sum);
      if (sum > 0xffffffff) this.increment(low + 4, 1);
    }
  }

  private increment(at: number, by: number): void {
    this.set(at, Math.min(this.reg(at) + by, 0xffffffff));
  }
}
