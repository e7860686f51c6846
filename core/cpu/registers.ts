import {
  GPR_NAMES,
  type GprName,
  type RegisterAccess,
  type SegmentName,
  type SegmentState,
} from '../hw';
import * as L from './layout';

const SEGMENTS: Record<SegmentName, number> = {
  es: L.SEG_ES,
  cs: L.SEG_CS,
  ss: L.SEG_SS,
  ds: L.SEG_DS,
  fs: L.SEG_FS,
  gs: L.SEG_GS,
  ldtr: L.SEG_LDTR,
  tr: L.SEG_TR,
};

/** What register access needs of the helpers. */
export interface RegisterServices {
  readFlags(): number;
  writeFlagsRaw(value: number): void;
  updateMode(): void;
  flushTlb(keepGlobal: number): void;
}

/** Registers read from and written to a vcpu's state in linear memory. */
export class StateRegisters implements RegisterAccess {
  private readonly view: DataView;

  constructor(
    memory: SharedArrayBuffer,
    private readonly base: number,
    private readonly services: RegisterServices,
  ) {
    this.view = new DataView(memory);
  }

  private gpr(name: GprName): number {
    return this.base + L.S_GPR + GPR_NAMES.indexOf(name) * 8;
  }

  get32(name: GprName): number {
    return this.view.getUint32(this.gpr(name), true);
  }

  set32(name: GprName, value: number): void {
    this.view.setUint32(this.gpr(name), value >>> 0, true);
    this.view.setUint32(this.gpr(name) + 4, 0, true);
  }

  set16(name: GprName, value: number): void {
    this.view.setUint16(this.gpr(name), value, true);
  }

  set8(name: GprName, value: number): void {
    this.view.setUint8(this.gpr(name), value);
  }

  get64(name: GprName): bigint {
    return this.view.getBigUint64(this.gpr(name), true);
  }

  set64(name: GprName, value: bigint): void {
    this.view.setBigUint64(this.gpr(name), value, true);
  }

  private read(offset: number): bigint {
    return this.view.getBigUint64(this.base + offset, true);
  }

  /** A control register: translations and decoded code may depend on it. */
  private writeControl(offset: number, value: bigint): void {
    this.view.setBigUint64(this.base + offset, value, true);
    this.services.flushTlb(0);
    this.services.updateMode();
  }

  /** Inside a port or MMIO callback this is the I/O instruction. */
  get rip(): bigint {
    const uop = this.view.getUint32(this.base + L.S_UOP, true);
    if (uop === 0) return this.read(L.S_RIP);
    return this.read(L.S_BLOCK_RIP) + BigInt(this.view.getUint16(uop + L.UOP_RIP_OFFSET, true));
  }

  set rip(value: bigint) {
    this.view.setUint32(this.base + L.S_UOP, 0, true);
    this.view.setBigUint64(this.base + L.S_RIP, value, true);
  }

  get rflags(): number {
    return this.services.readFlags() >>> 0;
  }

  set rflags(value: number) {
    this.services.writeFlagsRaw(value);
    this.services.updateMode();
  }

  get cr0(): bigint {
    return this.read(L.S_CR0);
  }

  set cr0(value: bigint) {
    this.writeControl(L.S_CR0, value);
  }

  get cr2(): bigint {
    return this.read(L.S_CR2);
  }

  set cr2(value: bigint) {
    this.writeControl(L.S_CR2, value);
  }

  get cr3(): bigint {
    return this.read(L.S_CR3);
  }

  set cr3(value: bigint) {
    this.writeControl(L.S_CR3, value);
  }

  get cr4(): bigint {
    return this.read(L.S_CR4);
  }

  set cr4(value: bigint) {
    this.writeControl(L.S_CR4, value);
  }

  get efer(): bigint {
    return this.read(L.S_EFER);
  }

  set efer(value: bigint) {
    this.writeControl(L.S_EFER, value);
  }

  getSegment(name: SegmentName): SegmentState {
    const i = SEGMENTS[name];
    return {
      selector: this.view.getUint32(this.base + L.S_SEG_SELECTOR + i * 4, true),
      base: this.read(L.S_SEG_BASE + i * 8),
      limit: this.view.getUint32(this.base + L.S_SEG_LIMIT + i * 4, true),
      access: this.view.getUint32(this.base + L.S_SEG_ACCESS + i * 4, true),
    };
  }

  setSegment(name: SegmentName, state: SegmentState): void {
    const i = SEGMENTS[name];
    this.view.setUint32(this.base + L.S_SEG_SELECTOR + i * 4, state.selector, true);
    this.view.setBigUint64(this.base + L.S_SEG_BASE + i * 8, state.base, true);
    this.view.setUint32(this.base + L.S_SEG_LIMIT + i * 4, state.limit >>> 0, true);
    this.view.setUint32(this.base + L.S_SEG_ACCESS + i * 4, state.access, true);
    // CPL is CS's in real and virtual-8086 mode too, as the boot protocols set it.
    if (name === 'ss') this.view.setUint32(this.base + L.S_CPL, (state.access >> 5) & 3, true);
    this.services.updateMode();
  }

  private table(base: number, limit: number): { base: bigint; limit: number } {
    return { base: this.read(base), limit: this.view.getUint32(this.base + limit, true) };
  }

  private setTable(base: number, limit: number, value: { base: bigint; limit: number }): void {
    this.view.setBigUint64(this.base + base, value.base, true);
    this.view.setUint32(this.base + limit, value.limit, true);
  }

  get gdtr(): { base: bigint; limit: number } {
    return this.table(L.S_GDTR_BASE, L.S_GDTR_LIMIT);
  }

  set gdtr(value: { base: bigint; limit: number }) {
    this.setTable(L.S_GDTR_BASE, L.S_GDTR_LIMIT, value);
  }

  get idtr(): { base: bigint; limit: number } {
    return this.table(L.S_IDTR_BASE, L.S_IDTR_LIMIT);
  }

  set idtr(value: { base: bigint; limit: number }) {
    this.setTable(L.S_IDTR_BASE, L.S_IDTR_LIMIT, value);
  }
}
