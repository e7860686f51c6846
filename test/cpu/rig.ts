/**
 * A vcpu with memory and nothing else, for programs in privileged 64-bit code: memory mapped one to one by tables that a
 * program may change, an IDT whose handlers are the program's labels, interrupts that the test raises.
 */
import { DIRTY_MAP_BASE, RAM_BASE, type WasmVcpu } from '../../core/cpu';
import * as L from '../../core/cpu/layout';
import type { WasmHost } from '../../core/host';
import { GPR_NAMES, type GprName, type Vcpu, type VcpuExit } from '../../core/hw';
import { bareVcpu } from '../support/bare-vcpu';
import type { Program } from './assemble';

/** Physical memory, all of it mapped at its own address and, as far as the tables go, nothing else. */
export const RAM_BYTES = 8 << 20;
const PAGE = 4096;

/** Where programs are linked, and places they may use. Tables of the rig lie below CODE. */
export const PML4 = 0x1000;
const PDPT = 0x2000;
const PD = 0x3000;
/** A page table for each 2 MiB: the entry for a page is PAGE_TABLES + page number * 8. */
export const PAGE_TABLES = 0x4000;
const GDT = 0x10000;
/** Pages below this hold page tables. */
const TABLE_PAGES = 0x10;
const IDT = 0x11000;
const TSS = 0x12000;
const STUBS = 0x13000;
export const STACK_TOP = 0x20000;
export const CODE = 0x100000;
export const DATA = 0x200000;
export const LOG = 0x300000;

const P = 1;
const W = 2;
const U = 4;

export const KERNEL_CS = 0x08;
export const KERNEL_SS = 0x10;
export const USER_SS = 0x2b;
export const USER_CS = 0x33;

/** Addresses as the assembler's constants. */
export const CONSTANTS = Object.entries({
  PML4,
  PAGE_TABLES,
  STACK_TOP,
  CODE,
  DATA,
  LOG,
  KERNEL_CS,
  KERNEL_SS,
  USER_SS,
  USER_CS,
})
  .map(([name, value]) => `.set ${name}, ${String(value)}\n`)
  .join('');

export interface RigConfig {
  /** As in VcpuConfig. */
  readonly translateAfter: number;
  readonly unoptimized?: boolean;
  readonly wasm?: WasmHost;
  readonly blockInstructions?: number;
  readPort?(port: number): number;
  writePort?(port: number, value: number): void;
  readTsc?(): bigint;
}

export interface Snapshot {
  readonly registers: Readonly<Record<string, bigint>>;
  readonly instructions: number;
}

export class Rig {
  readonly vcpu: WasmVcpu;
  readonly ram: Uint8Array;
  readonly view: DataView;
  /** Vectors that wait. */
  readonly interrupts: number[] = [];
  /** Interrupts taken: vector, and instructions before it. */
  readonly taken: { readonly vector: number; readonly at: number }[] = [];
  private readonly state: DataView;
  private readonly dirty: Uint8Array;

  constructor(config: RigConfig) {
    const { interrupts } = this;
    const { vcpu, memory } = bareVcpu(RAM_BYTES, {
      bus: {
        readPort: (port) => config.readPort?.(port) ?? 0xffffffff,
        writePort: (port, _width, value) => config.writePort?.(port, value),
        readMmio: () => 0xffffffff,
        writeMmio: () => undefined,
      },
      interrupts: {
        hasPending: () => interrupts.length > 0,
        acknowledge: () => {
          const vector = interrupts.shift() ?? -1;
          if (vector >= 0) this.taken.push({ vector, at: this.vcpu.instructions });
          return vector;
        },
        taskPriority: 0,
        readApicBase: () => 0xfee00900n,
        writeApicBase: () => true,
      },
      readTsc: () => config.readTsc?.() ?? 0n,
      translateAfter: config.translateAfter,
      unoptimized: config.unoptimized === true,
      ...(config.wasm && { wasm: config.wasm }),
      ...(config.blockInstructions !== undefined && {
        blockInstructions: config.blockInstructions,
      }),
    });
    this.vcpu = vcpu;
    this.ram = new Uint8Array(memory.buffer, RAM_BASE, RAM_BYTES);
    this.view = new DataView(memory.buffer, RAM_BASE, RAM_BYTES);
    this.state = new DataView(memory.buffer, L.VCPU_BASE, L.VCPU_STRIDE);
    this.dirty = new Uint8Array(memory.buffer, DIRTY_MAP_BASE, RAM_BYTES / PAGE);
  }

  private set64(gpa: number, value: bigint): void {
    this.view.setBigUint64(gpa, value, true);
  }

  /** Memory and registers as before the program's first instruction. Handlers are labels `vector0` to `vector255`. */
  load(program: Program, registers: Partial<Record<GprName, number | bigint>> = {}): void {
    this.ram.fill(0);
    this.set64(PML4, BigInt(PDPT | P | W | U));
    this.set64(PDPT, BigInt(PD | P | W | U));
    for (let at = 0; at < RAM_BYTES; at += PAGE)
      this.set64(PAGE_TABLES + (at / PAGE) * 8, BigInt(at | P | W | U));
    for (let table = 0; table < RAM_BYTES >> 21; table++)
      this.set64(PD + table * 8, BigInt((PAGE_TABLES + table * PAGE) | P | W | U));
    const descriptors: Record<number, bigint> = {
      0x08: 0x00af9b000000ffffn,
      0x10: 0x00cf93000000ffffn,
      0x28: 0x00cff3000000ffffn,
      0x30: 0x00affb000000ffffn,
    };
    for (const [at, value] of Object.entries(descriptors)) this.set64(GDT + Number(at), value);
    for (let vector = 0; vector < 256; vector++)
      this.setHandler(vector, handlerOf(program, vector));
    this.view.setBigUint64(TSS + 4, BigInt(STACK_TOP), true);
    this.ram.fill(0xf4, STUBS, STUBS + 256);
    this.ram.set(program.bytes, program.at);
    this.interrupts.length = 0;
    this.taken.length = 0;
    this.dirty.fill(0);
    this.vcpu.flushMappings();
    this.start(program.at, registers);
  }

  private setHandler(vector: number, address: number): void {
    // DPL 3, so that INT n works everywhere.
    const gate =
      (BigInt(address) & 0xffffn) |
      (0x08n << 16n) |
      (0xee00n << 32n) |
      (BigInt(address >>> 16) << 48n);
    this.set64(IDT + vector * 16, gate);
    this.set64(IDT + vector * 16 + 8, 0n);
  }

  private start(rip: number, registers: Partial<Record<GprName, number | bigint>>): void {
    const { vcpu, state } = this;
    const r = vcpu.registers;
    vcpu.reset('power-on');
    state.setBigUint64(L.S_RETIRED, 0n, true);
    r.cr3 = BigInt(PML4);
    r.cr4 = 0x6a0n; // PAE, PGE, OSFXSR, OSXMMEXCPT
    r.efer = 0xd01n; // NXE LMA LME SCE
    r.cr0 = 0x80010033n; // PG WP NE ET MP PE
    r.setSegment('cs', { selector: KERNEL_CS, base: 0n, limit: 0xffffffff, access: 0xa09b });
    const data = { selector: KERNEL_SS, base: 0n, limit: 0xffffffff, access: 0xc093 };
    for (const name of ['ds', 'es', 'fs', 'gs', 'ss'] as const) r.setSegment(name, data);
    r.setSegment('tr', { selector: 0x40, base: BigInt(TSS), limit: 0x67, access: 0x8b });
    r.gdtr = { base: BigInt(GDT), limit: 0x37 };
    r.idtr = { base: BigInt(IDT), limit: 0xfff };
    for (const name of GPR_NAMES) r.set64(name, BigInt(registers[name] ?? 0));
    if (registers.rsp === undefined) r.set64('rsp', BigInt(STACK_TOP - 0x1000));
    r.rip = BigInt(rip);
    r.rflags = 2;
  }

  /** Writes memory as a device would. */
  dma(gpa: number, bytes: Uint8Array): void {
    this.ram.set(bytes, gpa);
    this.dirty.fill(1, gpa >> 12, ((gpa + bytes.length - 1) >> 12) + 1);
    this.vcpu.invalidateCode(gpa, bytes.length);
  }

  /** Runs until the program halts for good. @throws when it does not within `instructions`. */
  finish(instructions = 20_000_000, slice = 100_000): void {
    let exit: VcpuExit = 'budget';
    while (exit !== 'halted') {
      if (exit === 'shutdown')
        throw new Error(`triple fault at ${this.vcpu.registers.rip.toString(16)}`);
      if (this.vcpu.instructions > instructions)
        throw new Error(`the program does not end, at ${this.vcpu.registers.rip.toString(16)}`);
      exit = this.vcpu.run(slice);
    }
  }

  /** STI without a next instruction to wait for: what runs next takes an interrupt at once. */
  forgetInhibition(): void {
    this.state.setUint32(L.S_INHIBIT, 0, true);
  }

  /** Drops all translations of addresses. */
  flushTlb(): void {
    const r = this.vcpu.registers;
    r.cr3 = BigInt(r.cr3);
  }

  /** Pages written since the program was loaded. */
  writtenPages(): number[] {
    const pages: number[] = [];
    for (let page = this.dirty.indexOf(1); page >= 0; page = this.dirty.indexOf(1, page + 1))
      pages.push(page);
    return pages;
  }

  page(number: number): Uint8Array {
    return this.ram.subarray(number * PAGE, (number + 1) * PAGE);
  }

  mayHoldTables(page: number): boolean {
    return page < TABLE_PAGES;
  }

  snapshot(): Snapshot {
    return snapshotOf(this.vcpu, this.state);
  }
}

/** What two vcpus that did the same agree on, of a vcpu and its state in memory. */
export function snapshotOf(vcpu: Vcpu, state: DataView): Snapshot {
  const r = vcpu.registers;
  const registers: Record<string, bigint> = {};
  for (const name of GPR_NAMES) registers[name] = r.get64(name);
  registers.rip = r.rip;
  registers.rflags = BigInt(r.rflags);
  const word = (name: string, offset: number): void => {
    registers[name] = BigInt(state.getUint32(offset, true));
  };
  const wide = (name: string, offset: number): void => {
    registers[name] = state.getBigUint64(offset, true);
  };
  wide('cr0', L.S_CR0);
  wide('cr2', L.S_CR2);
  wide('cr3', L.S_CR3);
  wide('cr4', L.S_CR4);
  wide('efer', L.S_EFER);
  wide('dr6', L.S_DR + 48);
  wide('dr7', L.S_DR + 56);
  word('cpl', L.S_CPL);
  for (let i = 0; i < 8; i++) {
    wide(`base of segment ${String(i)}`, L.S_SEG_BASE + i * 8);
    word(`segment ${String(i)}`, L.S_SEG_SELECTOR + i * 4);
    wide(`x87 ${String(i)}`, L.S_X87 + i * 16);
    word(`x87 ${String(i)} exponent`, L.S_X87 + i * 16 + 8);
  }
  word('x87 control', L.S_X87_CONTROL);
  word('x87 status', L.S_X87_STATUS);
  word('x87 top', L.S_X87_TOP);
  word('x87 tags', L.S_X87_TAGS);
  word('mxcsr', L.S_MXCSR);
  for (let i = 0; i < 32; i++) wide(`xmm${String(i >> 1)}${i & 1 ? 'h' : 'l'}`, L.S_XMM + i * 8);
  return { registers, instructions: vcpu.instructions };
}

function handlerOf(program: Program, vector: number): number {
  try {
    return program.symbol(`vector${String(vector)}`);
  } catch {
    return STUBS + vector;
  }
}

/** Where two snapshots differ, in words. */
export function differences(expected: Snapshot, actual: Snapshot): string[] {
  const found: string[] = [];
  for (const [name, value] of Object.entries(expected.registers))
    if (actual.registers[name] !== value)
      found.push(`${name} ${actual.registers[name].toString(16)} instead of ${value.toString(16)}`);
  if (expected.instructions !== actual.instructions)
    found.push(
      `${String(actual.instructions)} instructions instead of ${String(expected.instructions)}`,
    );
  return found;
}
