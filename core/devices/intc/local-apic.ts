/**
 * Local APIC of one processor: xAPIC (memory mapped) and x2APIC (MSRs).
 * Document: Intel SDM 3A chapter 11 (edition 325384-080; chapter 10 before), sections named below.
 * Scope: APIC base, LVT, timer (one-shot, periodic, TSC deadline), IPIs with INIT/start-up/NMI, task and processor
 * priority, EOI with broadcast, spurious vector, error status, LINT0 as ExtINT (virtual wire) and LINT1 as NMI.
 * Missing: SMI delivery, performance-counter, thermal and CMCI interrupts (their LVT entries only hold values).
 */
import { cloneState } from '../../base';
import type {
  AccessWidth,
  Clock,
  Device,
  InterruptSource,
  IrqLine,
  Mmio,
  ResetKind,
} from '../../hw';
import type { ApicMessage, ApicTarget } from './apic-bus';
import { ApicTimer, idleTimer, type ApicTimerState } from './local-apic-timer';
import * as R from './local-apic-regs';

export interface LocalApicState {
  version: 1;
  /** IA32_APIC_BASE: low 12 bits of flags and the page address. */
  baseFlags: number;
  baseAddress: number;
  tpr: number;
  ldr: number;
  dfr: number;
  svr: number;
  esr: number;
  /** Errors since the last write of ESR. */
  errors: number;
  icrLow: number;
  icrHigh: number;
  irr: Uint32Array;
  isr: Uint32Array;
  tmr: Uint32Array;
  lvt: Uint32Array;
  timer: ApicTimerState;
  lint: [boolean, boolean];
  /** An ExtINT message came and was not yet acknowledged. */
  extIntMessage: boolean;
}

export interface LocalApicCapabilities {
  clock: Clock;
  bus: {
    deliver(message: ApicMessage): void;
    broadcast(message: ApicMessage, except?: ApicTarget): void;
  };
  /** The 8259 pair, acknowledged for ExtINT. */
  pic: { acknowledge(): number };
  /** EOI broadcast to I/O APICs. */
  endOfInterrupt(vector: number): void;
  /** This processor's time-stamp counter, for TSC-deadline mode. */
  tsc: { read(): bigint; readonly hz: number };
  processor: {
    /** An interrupt may have become deliverable: look at `hasPending` soon. */
    interrupt(): void;
    nonMaskable(): void;
    init(): void;
    startUp(vector: number): void;
  };
  /** Called when the register page moves, is enabled or disabled (undefined). */
  onBase?(address: number | undefined): void;
}

export interface LocalApicConfig {
  /** Initial APIC id. */
  apicId: number;
  /** Bootstrap processor: IA32_APIC_BASE.BSP. */
  bootstrap: boolean;
  /** Frequency of the timer's input before the divider. */
  timerHz: number;
}

export class LocalApic implements Device<LocalApicState>, Mmio, InterruptSource, ApicTarget {
  readonly id: string;
  private s: LocalApicState;
  private readonly timer: ApicTimer;

  constructor(
    private readonly wires: LocalApicCapabilities,
    private readonly config: LocalApicConfig,
  ) {
    this.id = `local-apic${config.apicId}`;
    this.s = powerOn(config);
    this.timer = new ApicTimer(wires, {
      hz: config.timerHz,
      state: () => this.s.timer,
      mode: () => (this.s.lvt[R.LVT_TIMER] >> 17) & 3,
      expired: () => {
        const entry = this.s.lvt[R.LVT_TIMER];
        if (!(entry & R.LVT_MASKED)) this.request(entry & 0xff, false);
      },
    });
  }

  /** Power-up and RESET#, SDM 3A 11.4.7.1. */
  reset(_kind: ResetKind): void {
    const lint = this.s.lint;
    this.s = powerOn(this.config);
    this.s.lint = lint;
    this.timer.cancel();
    this.wires.onBase?.(this.registerPage);
  }

  /** INIT, SDM 3A 11.4.7.3: as power-up, but IA32_APIC_BASE and the id stay. */
  initReset(): void {
    const { baseFlags, baseAddress, lint } = this.s;
    this.s = powerOn(this.config);
    Object.assign(this.s, { baseFlags, baseAddress, lint });
    this.timer.cancel();
  }

  save(): LocalApicState {
    return cloneState(this.s);
  }

  restore(state: LocalApicState): void {
    this.s = cloneState(state);
    this.wires.onBase?.(this.registerPage);
    this.timer.arm();
    this.wires.processor.interrupt();
  }

  /** LINT0 carries the 8259's INT, LINT1 the NMI line. */
  readonly lint: readonly [IrqLine, IrqLine] = [
    { set: (level) => this.setLint(0, level) },
    { set: (level) => this.setLint(1, level) },
  ];

  // --- InterruptSource

  hasPending(): boolean {
    if (this.extIntPending()) return true;
    if (!this.enabled) return false;
    const vector = highestBit(this.s.irr);
    return vector >= 0 && vector >> 4 > this.processorPriority >> 4;
  }

  acknowledge(): number {
    if (this.extIntPending()) {
      this.s.extIntMessage = false;
      return this.wires.pic.acknowledge();
    }
    if (!this.enabled) return -1;
    const vector = highestBit(this.s.irr);
    if (vector < 0) return -1;
    // SDM 3A 11.9: a request that TPR now masks is answered with the spurious vector, no ISR bit.
    if (vector >> 4 <= this.processorPriority >> 4) return -1;
    clearBit(this.s.irr, vector);
    setBit(this.s.isr, vector);
    return vector;
  }

  get taskPriority(): number {
    return this.s.tpr >> 4;
  }

  set taskPriority(priority: number) {
    this.writeTpr((priority & 0xf) << 4);
  }

  readApicBase(): bigint {
    return (BigInt(this.s.baseAddress) & ~0xfffn) | BigInt(this.s.baseFlags);
  }

  /** Mode changes as in SDM 3A figure 11-27; anything else is refused. */
  writeApicBase(value: bigint): boolean {
    if (value < 0n || value & (R.APIC_BASE_RESERVED | ~((1n << R.MAXPHYADDR) - 1n))) return false;
    const mode = Number(value) & (R.APIC_BASE_EN | R.APIC_BASE_EXTD);
    const old = this.s.baseFlags & (R.APIC_BASE_EN | R.APIC_BASE_EXTD);
    if (mode === R.APIC_BASE_EXTD) return false;
    if (mode === (R.APIC_BASE_EN | R.APIC_BASE_EXTD) && old === 0) return false;
    if (mode === R.APIC_BASE_EN && old === (R.APIC_BASE_EN | R.APIC_BASE_EXTD)) return false;
    this.s.baseAddress = Number(value & ~0xfffn);
    this.s.baseFlags = mode | (this.config.bootstrap ? R.APIC_BASE_BSP : 0);
    if (mode !== old && mode === 0) this.initReset();
    this.wires.onBase?.(this.registerPage);
    this.wires.processor.interrupt();
    return true;
  }

  // --- ApicTarget

  matches(destination: number, logical: boolean): boolean {
    if (!this.enabled) return false;
    if (this.x2apic) {
      // Messages of the I/O APIC carry 8 bits: FFh is its broadcast.
      if (destination === 0xff || destination === 0xffffffff) return true;
      if (!logical) return destination === this.config.apicId;
      const own = R.x2apicLogicalId(this.config.apicId);
      return destination >>> 16 === own >>> 16 && (destination & own & 0xffff) !== 0;
    }
    if (!logical) return destination === 0xff || destination === this.config.apicId;
    const own = this.s.ldr >>> 24;
    // DFR all ones in bits 31-28: flat model; zero: cluster model (SDM 3A 11.6.2.2).
    if (this.s.dfr >>> 28 === 0xf) return (destination & own) !== 0;
    return (
      (destination === 0xff || destination >> 4 === own >> 4) && (destination & own & 0xf) !== 0
    );
  }

  get processorPriority(): number {
    const inService = highestBit(this.s.isr);
    const isrv = inService < 0 ? 0 : inService;
    return this.s.tpr >> 4 >= isrv >> 4 ? this.s.tpr : isrv & 0xf0;
  }

  accept(message: ApicMessage): void {
    switch (message.deliveryMode) {
      case R.MODE_FIXED:
      case R.MODE_LOWEST:
        this.request(message.vector, message.levelTriggered);
        break;
      case R.MODE_NMI:
        this.wires.processor.nonMaskable();
        break;
      case R.MODE_INIT:
        this.initReset();
        this.wires.processor.init();
        break;
      case R.MODE_STARTUP:
        this.wires.processor.startUp(message.vector);
        break;
      case R.MODE_EXTINT:
        this.s.extIntMessage = true;
        this.wires.processor.interrupt();
        break;
      default:
        break;
    }
  }

  // --- Mmio (xAPIC)

  readMmio(offset: number, _width: AccessWidth): number {
    if (!this.enabled || this.x2apic) return 0xffffffff;
    if (offset & 0xf) return 0;
    return this.readRegister(offset >> 4) >>> 0;
  }

  writeMmio(offset: number, _width: AccessWidth, value: number): void {
    if (!this.enabled || this.x2apic || offset & 0xf) return;
    const register = offset >> 4;
    switch (register) {
      case R.ID:
        // QUIRK: the id is fixed, as on x2APIC parts; SDM 3A 11.4.6 lets xAPIC software rewrite it.
        break;
      case R.LDR:
        this.s.ldr = (value & 0xff000000) >>> 0;
        break;
      case R.DFR:
        this.s.dfr = (value | 0x0fffffff) >>> 0;
        break;
      case R.ICR_HIGH:
        this.s.icrHigh = (value & 0xff000000) >>> 0;
        break;
      case R.ICR_LOW:
        this.s.icrLow = value & R.ICR_WRITABLE;
        this.sendIpi(this.s.icrHigh >>> 24);
        break;
      default:
        this.writeCommon(register, value >>> 0);
        break;
    }
  }

  // --- MSRs (x2APIC and TSC deadline)

  /** RDMSR of 1Bh, 6E0h and 800h-8FFh; undefined is #GP(0). */
  readMsr(index: number): bigint | undefined {
    if (index === R.IA32_APIC_BASE) return this.readApicBase();
    if (index === R.IA32_TSC_DEADLINE) return this.timer.deadline;
    const register = index - R.IA32_X2APIC_BASE;
    if (!this.x2apic || register < 0 || register > 0xff || !R.X2APIC_READABLE.has(register))
      return undefined;
    if (register === R.ICR_LOW) return (BigInt(this.s.icrHigh) << 32n) | BigInt(this.s.icrLow);
    return BigInt(this.readRegister(register) >>> 0);
  }

  /** WRMSR of the same; false is #GP(0). */
  writeMsr(index: number, value: bigint): boolean {
    if (index === R.IA32_APIC_BASE) return this.writeApicBase(value);
    if (index === R.IA32_TSC_DEADLINE) {
      this.timer.deadline = value;
      return true;
    }
    const register = index - R.IA32_X2APIC_BASE;
    const reserved = R.X2APIC_WRITABLE.get(register);
    if (!this.x2apic || reserved === undefined || value & reserved) return false;
    const low = Number(value & 0xffffffffn);
    if (register === R.ICR_LOW) {
      this.s.icrHigh = Number(value >> 32n);
      this.s.icrLow = low & R.ICR_WRITABLE;
      this.sendIpi(this.s.icrHigh);
    } else if (register === R.SELF_IPI) {
      this.request(low & 0xff, false);
    } else {
      this.writeCommon(register, low);
    }
    return true;
  }

  // --- Registers both modes share

  private readRegister(register: number): number {
    const s = this.s;
    if (register >= R.ISR && register < R.ESR) {
      const bank = register < R.TMR ? s.isr : register < R.IRR ? s.tmr : s.irr;
      return bank[register & 7];
    }
    const lvt = R.LVT_REGISTERS.indexOf(register);
    if (lvt >= 0) return s.lvt[lvt];
    switch (register) {
      case R.ID:
        return this.x2apic ? this.config.apicId : this.config.apicId << 24;
      case R.VERSION:
        return R.VERSION_VALUE;
      case R.TPR:
        return s.tpr;
      case R.PPR:
        return this.processorPriority;
      case R.LDR:
        return this.x2apic ? R.x2apicLogicalId(this.config.apicId) : s.ldr;
      case R.DFR:
        return s.dfr;
      case R.SVR:
        return s.svr;
      case R.ESR:
        return s.esr;
      case R.ICR_LOW:
        return s.icrLow;
      case R.ICR_HIGH:
        return s.icrHigh;
      case R.TIMER_INITIAL:
        return s.timer.initialCount;
      case R.TIMER_CURRENT:
        return this.timer.currentCount;
      case R.TIMER_DIVIDE:
        return s.timer.divide;
      default:
        return 0;
    }
  }

  private writeCommon(register: number, value: number): void {
    const s = this.s;
    const lvt = R.LVT_REGISTERS.indexOf(register);
    if (lvt >= 0) {
      this.writeLvt(lvt, value);
      return;
    }
    switch (register) {
      case R.TPR:
        this.writeTpr(value & 0xff);
        break;
      case R.EOI:
        this.writeEoi();
        break;
      case R.SVR:
        s.svr = value & R.SVR_WRITABLE;
        // SDM 3A 11.4.7.2: software disable masks every LVT entry.
        if (!(s.svr & R.SVR_ENABLE))
          for (let i = 0; i < s.lvt.length; i++) s.lvt[i] |= R.LVT_MASKED;
        break;
      case R.ESR:
        s.esr = s.errors;
        s.errors = 0;
        break;
      case R.TIMER_INITIAL:
        this.timer.writeInitialCount(value);
        break;
      case R.TIMER_DIVIDE:
        this.timer.writeDivide(value);
        break;
      default:
        break;
    }
  }

  private writeLvt(index: number, value: number): void {
    const s = this.s;
    const oldMode = this.timer.mode;
    let entry = value & R.LVT_WRITABLE[index];
    if (!(s.svr & R.SVR_ENABLE)) entry |= R.LVT_MASKED;
    s.lvt[index] = entry;
    if (index === R.LVT_TIMER) this.timer.modeChanged(oldMode);
    if (index === R.LVT_LINT0 || index === R.LVT_LINT1) {
      const pin = index - R.LVT_LINT0;
      const level = (entry & R.LVT_LEVEL) !== 0 || ((entry >> 8) & 7) === R.MODE_EXTINT;
      if (s.lint[pin as 0 | 1] && level) this.raiseLint(pin as 0 | 1);
    }
  }

  private writeTpr(value: number): void {
    const lower = value < this.s.tpr;
    this.s.tpr = value;
    if (lower) this.wires.processor.interrupt();
  }

  private writeEoi(): void {
    const s = this.s;
    const vector = highestBit(s.isr);
    if (vector < 0) return;
    clearBit(s.isr, vector);
    if (testBit(s.tmr, vector) && !(s.svr & R.SVR_NO_EOI_BROADCAST))
      this.wires.endOfInterrupt(vector);
    this.wires.processor.interrupt();
  }

  private sendIpi(destination: number): void {
    const { icrLow } = this.s;
    const deliveryMode = (icrLow >> 8) & 7;
    const levelTriggered = (icrLow & R.ICR_LEVEL) !== 0;
    // INIT level de-assert is not supported since Pentium 4 (SDM 3A 11.6.1).
    if (deliveryMode === R.MODE_INIT && levelTriggered && !(icrLow & R.ICR_ASSERT)) return;
    const message: ApicMessage = {
      destination,
      logical: (icrLow & R.ICR_LOGICAL) !== 0,
      deliveryMode,
      vector: icrLow & 0xff,
      levelTriggered: false,
    };
    switch ((icrLow >> 18) & 3) {
      case 1:
        this.accept(message);
        break;
      case 2:
        this.wires.bus.broadcast(message);
        break;
      case 3:
        this.wires.bus.broadcast(message, this);
        break;
      default:
        this.wires.bus.deliver(message);
        break;
    }
  }

  private request(vector: number, levelTriggered: boolean): void {
    if (!(this.s.svr & R.SVR_ENABLE)) return;
    if (vector < 16) {
      this.error(R.ESR_RECEIVED_ILLEGAL_VECTOR);
      return;
    }
    setBit(this.s.irr, vector);
    if (levelTriggered) setBit(this.s.tmr, vector);
    else clearBit(this.s.tmr, vector);
    this.wires.processor.interrupt();
  }

  private error(bit: number): void {
    this.s.errors |= bit;
    const entry = this.s.lvt[R.LVT_ERROR];
    if (!(entry & R.LVT_MASKED) && (entry & 0xff) >= 16) this.request(entry & 0xff, false);
  }

  // --- LINT0, LINT1

  private setLint(pin: 0 | 1, level: boolean): void {
    if (this.s.lint[pin] === level) return;
    this.s.lint[pin] = level;
    if (level) this.raiseLint(pin);
  }

  private raiseLint(pin: 0 | 1): void {
    if (!this.enabled) {
      // SDM 3A 11.4.3: a disabled APIC passes its pins on as INTR and NMI.
      if (pin === 0) this.wires.processor.interrupt();
      else this.wires.processor.nonMaskable();
      return;
    }
    const entry = this.s.lvt[R.LVT_LINT0 + pin];
    if (entry & R.LVT_MASKED) return;
    switch ((entry >> 8) & 7) {
      case R.MODE_FIXED:
        this.request(entry & 0xff, false);
        break;
      case R.MODE_NMI:
        this.wires.processor.nonMaskable();
        break;
      case R.MODE_EXTINT:
        this.wires.processor.interrupt();
        break;
      default:
        break;
    }
  }

  private extIntPending(): boolean {
    const s = this.s;
    if (s.extIntMessage) return true;
    if (!s.lint[0]) return false;
    if (!this.enabled) return true;
    const entry = s.lvt[R.LVT_LINT0];
    return !(entry & R.LVT_MASKED) && ((entry >> 8) & 7) === R.MODE_EXTINT;
  }

  // --- Mode

  private get enabled(): boolean {
    return (this.s.baseFlags & R.APIC_BASE_EN) !== 0;
  }

  private get x2apic(): boolean {
    return (this.s.baseFlags & R.APIC_BASE_EXTD) !== 0;
  }

  private get registerPage(): number | undefined {
    return this.enabled && !this.x2apic ? this.s.baseAddress : undefined;
  }
}

function highestBit(bank: Uint32Array): number {
  for (let word = 7; word >= 0; word--) {
    const bits = bank[word];
    if (bits !== 0) return word * 32 + 31 - Math.clz32(bits);
  }
  return -1;
}

function setBit(bank: Uint32Array, bit: number): void {
  bank[bit >> 5] |= 1 << (bit & 31);
}

function clearBit(bank: Uint32Array, bit: number): void {
  bank[bit >> 5] &= ~(1 << (bit & 31));
}

function testBit(bank: Uint32Array, bit: number): boolean {
  return (bank[bit >> 5] & (1 << (bit & 31))) !== 0;
}

function powerOn(config: LocalApicConfig): LocalApicState {
  const lvt = new Uint32Array(R.LVT_REGISTERS.length).fill(R.LVT_MASKED);
  // QUIRK: LINT0 of the bootstrap processor starts as unmasked ExtINT, the virtual wire that PC firmware programs
  // first thing (MP specification 3.6.2.2); the chip masks it until then.
  if (config.bootstrap) lvt[R.LVT_LINT0] = R.MODE_EXTINT << 8;
  return {
    version: 1,
    baseFlags: R.APIC_BASE_EN | (config.bootstrap ? R.APIC_BASE_BSP : 0),
    baseAddress: R.APIC_DEFAULT_BASE,
    tpr: 0,
    ldr: 0,
    dfr: 0xffffffff,
    svr: 0xff,
    esr: 0,
    errors: 0,
    icrLow: 0,
    icrHigh: 0,
    irr: new Uint32Array(8),
    isr: new Uint32Array(8),
    tmr: new Uint32Array(8),
    lvt,
    timer: idleTimer(),
    lint: [false, false],
    extIntMessage: false,
  };
}
