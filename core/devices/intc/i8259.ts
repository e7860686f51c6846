/**
 * 8259A programmable interrupt controller (PIC), one chip of a cascaded pair, with the PIIX3 edge/level register.
 * Documents: Intel 82C59A 231468 / 8259A 231468-003; 82371FB (PIIX) 290550-001 section 2.5.11 (ELCR).
 * Scope: 8086 mode, all ICW/OCW, rotation, special mask, special fully nested, automatic EOI, poll, ELCR.
 * Missing: MCS-80 mode (ICW4.uPM = 0 is treated as 8086 mode), buffered mode pins.
 */
import { cloneState } from '../../base';
import type { AccessWidth, Device, IrqLine, PortIo, ResetKind } from '../../hw';

const ICW1_ICW4_NEEDED = 0x01;
const ICW1_SINGLE = 0x02;
const ICW1_LEVEL = 0x08;
const ICW1 = 0x10;
const ICW4_AUTO_EOI = 0x02;
const ICW4_SFNM = 0x10;
const OCW3 = 0x08;
const OCW3_READ_ISR = 0x01;
const OCW3_READ_ENABLE = 0x02;
const OCW3_POLL = 0x04;
const OCW3_SPECIAL_MASK = 0x20;
const OCW3_SPECIAL_MASK_ENABLE = 0x40;

export interface I8259State {
  version: 1;
  /** Levels of the inputs, bit n = IRn. */
  lines: number;
  irr: number;
  isr: number;
  imr: number;
  elcr: number;
  vectorBase: number;
  /** IR number with the lowest priority. */
  lowest: number;
  /** Next initialisation word expected on the data port: 0 none, 2..4. */
  nextIcw: number;
  icw4Needed: boolean;
  single: boolean;
  levelTriggered: boolean;
  autoEoi: boolean;
  rotateOnAutoEoi: boolean;
  specialMask: boolean;
  specialFullyNested: boolean;
  readIsr: boolean;
  poll: boolean;
}

export interface I8259Capabilities {
  /** INT pin: to the processor (or LINT0), or to the master's cascade input. */
  int: IrqLine;
}

export interface I8259Config {
  id: string;
  /** Input to which a slave is wired; its interrupts take the slave's vector. Absent on the slave. */
  cascade?: { input: number; slave: { acknowledge(): number } };
  /** Inputs whose ELCR bit can be set: 0xf8 on the master, 0xde on the slave. */
  elcrMask: number;
}

/** One 8259A. Offsets 0 and 1 are its two ports; `elcr` is its edge/level register. */
export class I8259 implements Device<I8259State>, PortIo {
  readonly id: string;
  private s: I8259State = powerOn();

  constructor(
    private readonly wires: I8259Capabilities,
    private readonly config: I8259Config,
  ) {
    this.id = config.id;
  }

  reset(_kind: ResetKind): void {
    const lines = this.s.lines;
    this.s = powerOn();
    this.s.lines = lines;
    this.update();
  }

  /** Input IRn. */
  input(n: number): IrqLine {
    return { set: (level) => this.setLine(n & 7, level) };
  }

  /** ELCR of this chip (ports 4D0h, 4D1h). */
  readonly elcr: PortIo = {
    readPort: () => this.s.elcr,
    writePort: (_offset, _width, value) => {
      this.s.elcr = value & this.config.elcrMask;
      // A line that is high when its input becomes level triggered requests service at once.
      this.s.irr = (this.s.irr & ~this.s.elcr) | (this.s.lines & this.s.elcr);
      this.update();
    },
  };

  /** INTA: the vector of the highest request, or the spurious IR7 when it went away (8259A "spurious interrupts"). */
  acknowledge(): number {
    const ir = this.highest();
    if (ir < 0) {
      this.update();
      return this.s.vectorBase + 7;
    }
    this.begin(ir);
    // INT falls with INTA and rises again for what is left, so that a cascade input sees a new edge.
    this.wires.int.set(false);
    const cascade = this.config.cascade;
    const vector =
      cascade && ir === cascade.input && !this.s.single
        ? cascade.slave.acknowledge()
        : this.s.vectorBase + ir;
    this.update();
    return vector;
  }

  readPort(offset: number, _width: AccessWidth): number {
    const s = this.s;
    if (s.poll) {
      s.poll = false;
      const ir = this.highest();
      if (ir < 0) return 0;
      this.begin(ir);
      this.update();
      return 0x80 | ir;
    }
    if ((offset & 1) === 1) return s.imr;
    return s.readIsr ? s.isr : s.irr;
  }

  writePort(offset: number, _width: AccessWidth, value: number): void {
    if ((offset & 1) === 1) this.writeData(value & 0xff);
    else this.writeCommand(value & 0xff);
    this.update();
  }

  save(): I8259State {
    return cloneState(this.s);
  }

  restore(state: I8259State): void {
    this.s = cloneState(state);
  }

  private setLine(n: number, level: boolean): void {
    const s = this.s;
    const bit = 1 << n;
    if (((s.lines & bit) !== 0) === level) return;
    if (level) {
      s.lines |= bit;
      s.irr |= bit;
    } else {
      s.lines &= ~bit;
      // QUIRK: an edge-triggered request stays latched when its line drops before INTA; the chip would report a
      // spurious IR7. Pulses of our devices take no virtual time, so the latch must hold them.
      if (this.isLevel(bit)) s.irr &= ~bit;
    }
    this.update();
  }

  private isLevel(bit: number): boolean {
    return this.s.levelTriggered || (this.s.elcr & bit) !== 0;
  }

  private writeCommand(value: number): void {
    const s = this.s;
    if (value & ICW1) {
      // 8259A "initialization command words": edge sense reset, IMR cleared, IR7 lowest, special mask and read-IRR.
      s.imr = 0;
      s.isr = 0;
      s.irr = s.lines & s.elcr;
      s.lowest = 7;
      s.autoEoi = false;
      s.rotateOnAutoEoi = false;
      s.specialMask = false;
      s.specialFullyNested = false;
      s.readIsr = false;
      s.poll = false;
      s.nextIcw = 2;
      s.icw4Needed = (value & ICW1_ICW4_NEEDED) !== 0;
      s.single = (value & ICW1_SINGLE) !== 0;
      s.levelTriggered = (value & ICW1_LEVEL) !== 0;
      return;
    }
    if (value & OCW3) {
      if (value & OCW3_POLL) s.poll = true;
      if (value & OCW3_READ_ENABLE) s.readIsr = (value & OCW3_READ_ISR) !== 0;
      if (value & OCW3_SPECIAL_MASK_ENABLE) s.specialMask = (value & OCW3_SPECIAL_MASK) !== 0;
      return;
    }
    this.writeOcw2(value);
  }

  private writeOcw2(value: number): void {
    const s = this.s;
    const level = value & 7;
    switch (value >> 5) {
      case 0:
        s.rotateOnAutoEoi = false;
        break;
      case 4:
        s.rotateOnAutoEoi = true;
        break;
      case 1:
      case 5: {
        const ir = this.highestOf(s.specialMask ? s.isr & ~s.imr : s.isr);
        if (ir < 0) break;
        s.isr &= ~(1 << ir);
        if (value >> 5 === 5) s.lowest = ir;
        break;
      }
      case 3:
        s.isr &= ~(1 << level);
        break;
      case 6:
        s.lowest = level;
        break;
      case 7:
        s.isr &= ~(1 << level);
        s.lowest = level;
        break;
      default:
        break;
    }
  }

  private writeData(value: number): void {
    const s = this.s;
    switch (s.nextIcw) {
      case 2:
        s.vectorBase = value & 0xf8;
        s.nextIcw = s.single ? (s.icw4Needed ? 4 : 0) : 3;
        break;
      case 3:
        // The cascade wiring is fixed on this board: ICW3 has nothing to choose.
        s.nextIcw = s.icw4Needed ? 4 : 0;
        break;
      case 4:
        s.specialFullyNested = (value & ICW4_SFNM) !== 0;
        s.autoEoi = (value & ICW4_AUTO_EOI) !== 0;
        s.nextIcw = 0;
        break;
      default:
        s.imr = value;
        break;
    }
  }

  /** Starts service of IRn: ISR set (unless automatic EOI), latch of an edge request cleared. */
  private begin(ir: number): void {
    const s = this.s;
    const bit = 1 << ir;
    if (!this.isLevel(bit)) s.irr &= ~bit;
    if (s.autoEoi) {
      if (s.rotateOnAutoEoi) s.lowest = ir;
    } else {
      s.isr |= bit;
    }
  }

  /** Highest-priority set bit of `mask`, counted from the one above `lowest`, or -1. */
  private highestOf(mask: number): number {
    if (mask === 0) return -1;
    for (let i = 1; i <= 8; i++) {
      const ir = (this.s.lowest + i) & 7;
      if (mask & (1 << ir)) return ir;
    }
    return -1;
  }

  private rank(ir: number): number {
    return ir < 0 ? 8 : (ir - this.s.lowest - 1) & 7;
  }

  /** The request that would be served now, or -1. */
  private highest(): number {
    const s = this.s;
    const request = this.highestOf(s.irr & ~s.imr);
    if (request < 0) return -1;
    let inService = s.isr;
    if (s.specialMask) inService &= ~s.imr;
    // Special fully nested mode: a slave in service may interrupt itself with a higher request of its own.
    if (s.specialFullyNested && this.config.cascade) inService &= ~(1 << this.config.cascade.input);
    return this.rank(request) < this.rank(this.highestOf(inService)) ? request : -1;
  }

  private update(): void {
    this.wires.int.set(this.highest() >= 0);
  }
}

function powerOn(): I8259State {
  return {
    version: 1,
    lines: 0,
    irr: 0,
    isr: 0,
    imr: 0xff,
    elcr: 0,
    vectorBase: 0,
    lowest: 7,
    nextIcw: 0,
    icw4Needed: false,
    single: false,
    levelTriggered: false,
    autoEoi: false,
    rotateOnAutoEoi: false,
    specialMask: false,
    specialFullyNested: false,
    readIsr: false,
    poll: false,
  };
}
