/**
 * I/O APIC: 24 interrupt inputs sent to local APICs as messages.
 * Documents: 82093AA 290566-001; EOI register and version 20h of the ICH (ICH9 316972 section 13.5).
 * Scope: redirection table, edge and level triggering with remote IRR, EOI broadcast and EOI register.
 * Missing: the arbitration bus (serial APIC bus); input polarity is ignored: our wires say asserted or not.
 */
import { cloneState } from '../../base';
import type { AccessWidth, ApicBus, Device, IrqLine, Mmio, ResetKind } from '../../hw';

export const IOAPIC_PINS = 24;
export const IOAPIC_BYTES = 0x1000;

const IOREGSEL = 0x00;
const IOWIN = 0x10;
const EOI = 0x40;
const IOAPICID = 0x00;
const IOAPICVER = 0x01;
const IOAPICARB = 0x02;
const IOREDTBL = 0x10;
const VERSION = 0x20;

// Low half of a redirection entry.
const RTE_DELIVERY_MODE_SHIFT = 8;
const RTE_LOGICAL = 1 << 11;
const RTE_STATUS = 1 << 12;
const RTE_REMOTE_IRR = 1 << 14;
const RTE_LEVEL = 1 << 15;
const RTE_MASKED = 1 << 16;
const RTE_LOW_WRITABLE = 0x1afff;
const RTE_HIGH_WRITABLE = 0xff000000;
/** Delivery mode 7 (ExtINT): the 8259 behind a pin gives the vector. */
const MODE_EXTINT = 7;

export interface IoApicState {
  version: 1;
  select: number;
  id: number;
  /** Levels of the inputs. */
  lines: number;
  low: Uint32Array;
  high: Uint32Array;
}

export class IoApic implements Device<IoApicState>, Mmio {
  readonly id = 'ioapic';
  private s: IoApicState = powerOn();

  constructor(private readonly wires: { bus: ApicBus }) {}

  reset(_kind: ResetKind): void {
    const lines = this.s.lines;
    this.s = powerOn();
    this.s.lines = lines;
  }

  input(pin: number): IrqLine {
    return { set: (level) => this.setLine(pin, level) };
  }

  /** EOI of a level-triggered vector by a local APIC (SDM 3A 11.8.5), or by the EOI register. */
  endOfInterrupt(vector: number): void {
    for (let pin = 0; pin < IOAPIC_PINS; pin++) {
      const low = this.s.low[pin];
      if ((low & 0xff) !== vector || !(low & RTE_REMOTE_IRR)) continue;
      this.s.low[pin] = low & ~RTE_REMOTE_IRR;
      this.serviceLevel(pin);
    }
  }

  readMmio(offset: number, _width: AccessWidth): number {
    switch (offset & 0xff) {
      case IOREGSEL:
        return this.s.select;
      case IOWIN:
        return this.readRegister(this.s.select);
      default:
        return 0;
    }
  }

  writeMmio(offset: number, _width: AccessWidth, value: number): void {
    switch (offset & 0xff) {
      case IOREGSEL:
        this.s.select = value & 0xff;
        break;
      case IOWIN:
        this.writeRegister(this.s.select, value);
        break;
      case EOI:
        this.endOfInterrupt(value & 0xff);
        break;
      default:
        break;
    }
  }

  save(): IoApicState {
    return cloneState(this.s);
  }

  restore(state: IoApicState): void {
    this.s = cloneState(state);
  }

  private readRegister(register: number): number {
    switch (register) {
      case IOAPICID:
      case IOAPICARB:
        return this.s.id << 24;
      case IOAPICVER:
        return ((IOAPIC_PINS - 1) << 16) | VERSION;
      default: {
        const pin = (register - IOREDTBL) >> 1;
        if (register < IOREDTBL || pin >= IOAPIC_PINS) return 0;
        return ((register & 1 ? this.s.high[pin] : this.s.low[pin]) ?? 0) >>> 0;
      }
    }
  }

  private writeRegister(register: number, value: number): void {
    if (register === IOAPICID) {
      this.s.id = (value >>> 24) & 0x0f;
      return;
    }
    const pin = (register - IOREDTBL) >> 1;
    if (register < IOREDTBL || pin >= IOAPIC_PINS) return;
    if (register & 1) {
      this.s.high[pin] = value & RTE_HIGH_WRITABLE;
      return;
    }
    let low = (value & RTE_LOW_WRITABLE) | (this.s.low[pin] & (RTE_REMOTE_IRR | RTE_STATUS));
    // Switching an entry to edge drops its remote IRR: how kernels clear it on parts without an EOI register.
    if (!(low & RTE_LEVEL)) low &= ~RTE_REMOTE_IRR;
    this.s.low[pin] = low;
    this.serviceLevel(pin);
  }

  private setLine(pin: number, level: boolean): void {
    const bit = 1 << pin;
    const was = (this.s.lines & bit) !== 0;
    if (was === level) return;
    this.s.lines = level ? this.s.lines | bit : this.s.lines & ~bit;
    if (!level) return;
    if (this.s.low[pin] & RTE_LEVEL) this.serviceLevel(pin);
    // 82093AA 3.2.4: edges on a masked input are neither delivered nor held pending.
    else if (!(this.s.low[pin] & RTE_MASKED)) this.deliver(pin);
  }

  private serviceLevel(pin: number): void {
    const low = this.s.low[pin];
    if (!(low & RTE_LEVEL) || low & (RTE_MASKED | RTE_REMOTE_IRR) || !(this.s.lines & (1 << pin)))
      return;
    const mode = (low >> RTE_DELIVERY_MODE_SHIFT) & 7;
    if (mode <= 1) this.s.low[pin] = low | RTE_REMOTE_IRR;
    this.deliver(pin);
  }

  private deliver(pin: number): void {
    const low = this.s.low[pin];
    const mode = (low >> RTE_DELIVERY_MODE_SHIFT) & 7;
    this.wires.bus.deliver({
      destination: this.s.high[pin] >>> 24,
      logical: (low & RTE_LOGICAL) !== 0,
      deliveryMode: mode,
      vector: mode === MODE_EXTINT ? 0 : low & 0xff,
      levelTriggered: (low & RTE_LEVEL) !== 0,
    });
  }
}

function powerOn(): IoApicState {
  return {
    version: 1,
    select: 0,
    id: 0,
    lines: 0,
    low: new Uint32Array(IOAPIC_PINS).fill(RTE_MASKED),
    high: new Uint32Array(IOAPIC_PINS),
  };
}
