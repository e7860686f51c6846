/**
 * Runs cases in the engine as a user-mode program: 4-level page tables, GDT, TSS and an IDT whose handlers halt, so
 * that what a case did is read from the registers and from the exception frame.
 */
import { RAM_BASE, type WasmVcpu } from '../../core/cpu';
import * as L from '../../core/cpu/layout';
import { bareVcpu } from '../support/bare-vcpu';
import {
  CODE,
  CODE_AT,
  DATA,
  DATA_BYTES,
  TAKEN,
  WINDOW,
  WINDOW_BYTES,
  type Case,
  type Outcome,
} from './layout';

const RAM_BYTES = 8 << 20;
// Guest-physical places.
const PML4 = 0x1000;
const PDPT = 0x2000;
const PD = 0x3000;
const PAGE_TABLES = 0x4000;
const GDT = 0x10000;
const IDT = 0x11000;
const TSS = 0x12000;
const STUBS = 0x13000;
const STACK_TOP = 0x18000;
const CODE_PAGES = 0x100000;
const DATA_PAGES = 0x110000;
const KERNEL_LINEAR = 0x40000000;

const USER_CODE64 = 0x33;
const USER_CODE32 = 0x23;
const USER_DATA = 0x2b;

const P = 1;
const W = 2;
const U = 4;

export class EngineRunner {
  readonly vcpu: WasmVcpu;
  private readonly u8: Uint8Array;
  private readonly view: DataView;
  private readonly start: Record<'long' | 'compatibility', Uint8Array>;
  private readonly base = L.VCPU_BASE;
  private lastCode: Uint8Array | undefined;

  /** `translateAfter` and `unoptimized` as in VcpuConfig; `tiny`: blocks of one instruction, and a TLB that is empty before each case. */
  constructor(
    translateAfter: number,
    private readonly tiny = false,
    unoptimized = false,
  ) {
    const { vcpu, memory } = bareVcpu(RAM_BYTES, {
      translateAfter,
      unoptimized,
      ...(tiny && { blockInstructions: 1 }),
    });
    this.vcpu = vcpu;
    this.u8 = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.buildTables();
    this.start = { long: this.prepare(false), compatibility: this.prepare(true) };
  }

  private phys64(gpa: number, value: bigint): void {
    this.view.setBigUint64(RAM_BASE + gpa, value, true);
  }

  private map(linear: number, gpa: number, flags: number): void {
    const table =
      PAGE_TABLES +
      (linear >>> 21 === CODE >>> 21 ? 0 : linear >>> 21 === DATA >>> 21 ? 0x1000 : 0x2000);
    this.phys64(
      PD + 0x1000 * 0 + ((linear >>> 21) & 511) * 8 + (linear >>> 30) * 0x8000,
      BigInt(table | P | W | U),
    );
    this.phys64(table + ((linear >>> 12) & 511) * 8, BigInt(gpa | flags));
  }

  private buildTables(): void {
    this.phys64(PML4, BigInt(PDPT | P | W | U));
    // Linear gigabytes 0 and 1: page directories 0x8000 apart.
    this.phys64(PDPT, BigInt(PD | P | W | U));
    this.phys64(PDPT + 8, BigInt((PD + 0x8000) | P | W | U));
    for (let page = 0; page < 2; page++)
      this.map(CODE + page * 4096, CODE_PAGES + page * 4096, P | W | U);
    for (let page = 0; page < DATA_BYTES / 4096; page++)
      this.map(DATA + page * 4096, DATA_PAGES + page * 4096, P | W | U);
    for (let page = 0x10; page < 0x20; page++)
      this.map(KERNEL_LINEAR + page * 4096, page * 4096, P | W);
    // GDT as Linux lays out user segments: 0x20 32-bit code, 0x28 data, 0x30 64-bit code; 0x08 kernel code, 0x10 data.
    const descriptors: Record<number, bigint> = {
      0x08: 0x00af9b000000ffffn,
      0x10: 0x00cf93000000ffffn,
      0x20: 0x00cffb000000ffffn,
      0x28: 0x00cff3000000ffffn,
      0x30: 0x00affb000000ffffn,
    };
    for (const [at, value] of Object.entries(descriptors)) this.phys64(GDT + Number(at), value);
    for (let vector = 0; vector < 32; vector++) {
      const handler = BigInt(KERNEL_LINEAR + STUBS + vector);
      this.phys64(
        IDT + vector * 16,
        (handler & 0xffffn) | (0x08n << 16n) | (0x8e00n << 32n) | ((handler >> 16n) << 48n),
      );
      this.phys64(IDT + vector * 16 + 8, handler >> 32n);
      this.u8[RAM_BASE + STUBS + vector] = 0xf4; // HLT
    }
    this.view.setBigUint64(RAM_BASE + TSS + 4, BigInt(KERNEL_LINEAR + STACK_TOP), true);
  }

  /** vcpu state at the first instruction of a case, in either mode. */
  private prepare(mode32: boolean): Uint8Array {
    const r = this.vcpu.registers;
    this.vcpu.reset('power-on');
    r.cr3 = BigInt(PML4);
    r.cr4 = 0x620n | 0x50000n; // PAE, OSFXSR, OSXMMEXCPT, FSGSBASE, OSXSAVE
    this.view.setBigUint64(this.base + L.S_XCR0, 3n, true);
    r.efer = 0xd01n; // NXE LMA LME SCE
    r.cr0 = 0x80010033n; // PG WP NE ET MP PE
    const flat = { base: 0n, limit: 0xffffffff };
    r.setSegment('cs', {
      ...flat,
      selector: mode32 ? USER_CODE32 : USER_CODE64,
      access: mode32 ? 0xc0fb : 0xa0fb,
    });
    const nul = { selector: 0, base: 0n, limit: 0, access: L.ACCESS_UNUSABLE };
    const data = { ...flat, selector: USER_DATA, access: 0xc0f3 };
    r.setSegment('ds', mode32 ? data : nul);
    r.setSegment('es', mode32 ? data : nul);
    r.setSegment('fs', nul);
    r.setSegment('gs', nul);
    r.setSegment('tr', {
      selector: 0x40,
      base: BigInt(KERNEL_LINEAR + TSS),
      limit: 0x67,
      access: 0x8b,
    });
    r.setSegment('ss', data);
    r.gdtr = { base: BigInt(KERNEL_LINEAR + GDT), limit: 0x37 };
    r.idtr = { base: BigInt(KERNEL_LINEAR + IDT), limit: 0x1ff };
    r.rip = BigInt(CODE_AT);
    r.rflags = 0x202;
    return this.u8.slice(this.base, this.base + L.S_XMM);
  }

  private setVectorState(fx: Uint8Array): void {
    const view = new DataView(fx.buffer, fx.byteOffset);
    const set = (offset: number, value: number) =>
      this.view.setUint32(this.base + offset, value, true);
    const status = view.getUint16(2, true);
    const top = (status >> 11) & 7;
    set(L.S_X87_CONTROL, view.getUint16(0, true));
    set(L.S_X87_STATUS, status & ~0x3800);
    set(L.S_X87_TOP, top);
    set(L.S_X87_TAGS, fx[4]);
    set(L.S_MXCSR, view.getUint32(24, true));
    set(L.S_X87_OPCODE, view.getUint16(6, true));
    this.view.setBigUint64(this.base + L.S_X87_IP, view.getBigUint64(8, true), true);
    this.view.setBigUint64(this.base + L.S_X87_DP, view.getBigUint64(16, true), true);
    set(L.S_X87_CS, 0);
    set(L.S_X87_DS, 0);
    for (let i = 0; i < 8; i++) {
      const at = this.base + L.S_X87 + ((top + i) & 7) * 16;
      this.u8.set(fx.subarray(32 + i * 16, 42 + i * 16), at);
    }
    this.u8.set(fx.subarray(160, 416), this.base + L.S_XMM);
  }

  private vectorState(): Uint8Array {
    const fx = new Uint8Array(512);
    const out = new DataView(fx.buffer);
    const get = (offset: number) => this.view.getUint32(this.base + offset, true);
    const top = get(L.S_X87_TOP);
    out.setUint16(0, get(L.S_X87_CONTROL), true);
    out.setUint16(2, get(L.S_X87_STATUS) | (top << 11), true);
    fx[4] = get(L.S_X87_TAGS);
    out.setUint32(24, get(L.S_MXCSR), true);
    for (let i = 0; i < 8; i++) {
      const at = this.base + L.S_X87 + ((top + i) & 7) * 16;
      fx.set(this.u8.subarray(at, at + 10), 32 + i * 16);
    }
    fx.set(this.u8.subarray(this.base + L.S_XMM, this.base + L.S_XMM + 256), 160);
    return fx;
  }

  run(c: Case): Outcome {
    const codeAt = RAM_BASE + CODE_PAGES + 0x800;
    if (this.lastCode !== c.code) {
      this.u8.fill(0xf4, codeAt, codeAt + 0x100);
      this.u8.set(c.code, codeAt);
      // The harness starts with zeros behind the window.
      this.u8.fill(0, RAM_BASE + DATA_PAGES, RAM_BASE + DATA_PAGES + DATA_BYTES);
      this.vcpu.invalidateCode(CODE_PAGES + 0x800, 0x100);
      this.lastCode = c.code;
    }
    this.u8.set(c.mode32 ? this.start.compatibility : this.start.long, this.base);
    this.u8.set(new Uint8Array(c.gpr.buffer, c.gpr.byteOffset, 128), this.base + L.S_GPR);
    this.setVectorState(c.fx);
    this.vcpu.registers.rflags = c.flags;
    const window = RAM_BASE + DATA_PAGES + (WINDOW - DATA);
    this.u8.set(c.memory, window);

    if (this.tiny) this.vcpu.registers.cr3 = BigInt(PML4);
    const exit = this.vcpu.run(100_000);
    if (exit !== 'halted') throw new Error(`the case ended with ${exit}`);
    const rip = this.view.getUint32(this.base + L.S_RIP, true);
    const vector = rip - 1 - (KERNEL_LINEAR + STUBS);
    const hasError = [8, 10, 11, 12, 13, 14, 17].includes(vector);
    const frame = RAM_BASE + STACK_TOP - 40;
    const error = hasError ? this.view.getUint32(frame - 8, true) : 0;
    const faultRip = this.view.getUint32(frame, true);
    const gpr = new BigUint64Array(16);
    for (let i = 0; i < 16; i++) gpr[i] = this.view.getBigUint64(this.base + L.S_GPR + i * 8, true);
    gpr[4] = this.view.getBigUint64(frame + 24, true);
    const after = CODE_AT + c.code.length;
    const done = vector === 13 && (faultRip === after || faultRip === CODE_AT + TAKEN);
    return {
      gpr,
      flags: this.view.getUint32(frame + 16, true),
      trap: done ? -1 : vector,
      error: done ? 0 : error,
      cr2: this.view.getBigUint64(this.base + L.S_CR2, true),
      taken: done && faultRip === CODE_AT + TAKEN,
      memory: this.u8.slice(window, window + WINDOW_BYTES),
      fx: this.vectorState(),
    };
  }
}
