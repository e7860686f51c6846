/** The CPU's helpers (core/cpu/helpers) alone, over a small memory: state is set and read by layout.ts, faults are caught. */
import { HELPERS_WASM_BASE64 } from '../../core/cpu/helpers.gen';
import * as L from '../../core/cpu/layout';

const PAGE = 4096;
const WASM_PAGE = 65536;
/** Guest RAM of the fixture. */
export const RAM_BYTES = 16 << 20;

const UNWOUND = new Error('guest fault');

export interface Fault {
  readonly vector: number;
  /** Absent when the exception has no error code. */
  readonly error?: number;
}

type Helper = (...args: (number | bigint)[]) => number | bigint | undefined;

let module: WebAssembly.Module | undefined;

export class CpuHelpers {
  readonly call: Readonly<Record<string, Helper>>;
  readonly view: DataView;
  readonly bytes: Uint8Array;
  /** Accesses that went to the bus: `r4 fee00000`, `w1 a0000=41`, ports as `in2 1f0`. */
  readonly bus: string[] = [];
  /** What the next bus reads give, then ones. */
  readonly answers: number[] = [];
  /** Vectors that INTA gives. */
  readonly interrupts: number[] = [];
  readonly msrs = new Map<number, bigint>();
  tsc = 0n;

  constructor() {
    const pages = (L.RAM_BASE + RAM_BYTES) / WASM_PAGE;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.view = new DataView(memory.buffer);
    this.bytes = new Uint8Array(memory.buffer);
    module ??= new WebAssembly.Module(Buffer.from(HELPERS_WASM_BASE64, 'base64'));
    const instance = new WebAssembly.Instance(module, {
      env: { memory, abort: () => this.fail() },
      host: this.host(),
    });
    this.call = instance.exports as unknown as Record<string, Helper>;
    for (let page = 0; page < RAM_BYTES / PAGE; page++) {
      this.view.setUint32(
        L.PHYS_MAP_BASE + page * 4,
        (L.RAM_BASE + page * PAGE) | L.PHYS_READ | L.PHYS_WRITE,
        true,
      );
    }
    this.run('init', 0);
    this.run('resetCpu');
  }

  private fail(): never {
    throw new Error('a helper aborted');
  }

  private host(): Record<string, (...args: never[]) => unknown> {
    const answer = () => this.answers.shift() ?? -1;
    const hex = (n: number) => (n >>> 0).toString(16);
    const scratch = L.VCPU_BASE + L.S_SCRATCH;
    return {
      unwind: () => {
        throw UNWOUND;
      },
      readMmio: (gpa: number, width: number) => (
        this.bus.push(`r${String(width)} ${gpa.toString(16)}`),
        answer()
      ),
      writeMmio: (gpa: number, width: number, value: number) =>
        void this.bus.push(`w${String(width)} ${gpa.toString(16)}=${hex(value)}`),
      readPort: (port: number, width: number) => (
        this.bus.push(`in${String(width)} ${hex(port)}`),
        answer()
      ),
      writePort: (port: number, width: number, value: number) =>
        void this.bus.push(`out${String(width)} ${hex(port)}=${hex(value)}`),
      blockDropped: () => undefined,
      decodeBlock: (gpa: number, page2: number) => (
        this.bus.push(`decode ${gpa.toString(16)} ${page2.toString(16)}`),
        L.UOP_AREA_BASE + L.BLOCK_HEADER_BYTES
      ),
      readTsc: () => this.tsc,
      readMsr: (index: number) => {
        const value = this.msrs.get(index >>> 0);
        if (value !== undefined) this.view.setBigUint64(scratch, value, true);
        return value === undefined ? 0 : 1;
      },
      writeMsr: (index: number) =>
        this.msrs.has(index >>> 0)
          ? (this.msrs.set(index >>> 0, this.view.getBigUint64(scratch, true)), 1)
          : 0,
      cpuid: () => undefined,
      readTaskPriority: () => 0,
      writeTaskPriority: () => undefined,
      acknowledgeInterrupt: () => this.interrupts.shift() ?? -1,
      randomBits: () => 0n,
    };
  }

  /** Calls a helper that must not fault; 64-bit results as unsigned. */
  run(name: string, ...args: (number | bigint)[]): number | bigint | undefined {
    try {
      const result = this.call[name](...args);
      return typeof result === 'bigint' ? BigInt.asUintN(64, result) : result;
    } catch (error) {
      if (error !== UNWOUND) throw error;
      throw new Error(`${name} raised ${JSON.stringify(this.lastFault())}`, { cause: error });
    }
  }

  /** The fault that a helper raises, or undefined. */
  fault(name: string, ...args: (number | bigint)[]): Fault | undefined {
    try {
      this.call[name](...args);
      return undefined;
    } catch (error) {
      if (error !== UNWOUND) throw error;
      return this.lastFault();
    }
  }

  private lastFault(): Fault {
    const vector = this.get32(L.S_FAULT_VECTOR);
    return this.get32(L.S_FAULT_HAS_ERROR)
      ? { vector, error: this.get32(L.S_FAULT_ERROR) }
      : { vector };
  }

  get32(offset: number): number {
    return this.view.getUint32(L.VCPU_BASE + offset, true);
  }

  set32(offset: number, value: number): void {
    this.view.setUint32(L.VCPU_BASE + offset, value >>> 0, true);
  }

  get64(offset: number): bigint {
    return this.view.getBigUint64(L.VCPU_BASE + offset, true);
  }

  set64(offset: number, value: bigint): void {
    this.view.setBigUint64(L.VCPU_BASE + offset, BigInt.asUintN(64, value), true);
  }

  /** General register by number. */
  reg(index: number): bigint {
    return this.get64(L.S_GPR + index * 8);
  }

  setReg(index: number, value: bigint | number): void {
    this.set64(L.S_GPR + index * 8, BigInt(value));
  }

  /** Guest-physical memory. */
  read(gpa: number, size: 1 | 2 | 4 | 8): bigint {
    const at = L.RAM_BASE + gpa;
    if (size === 8) return this.view.getBigUint64(at, true);
    if (size === 4) return BigInt(this.view.getUint32(at, true));
    return BigInt(size === 2 ? this.view.getUint16(at, true) : this.view.getUint8(at));
  }

  write(gpa: number, size: 1 | 2 | 4 | 8, value: bigint | number): void {
    const at = L.RAM_BASE + gpa;
    const bits = BigInt(value);
    if (size === 8) this.view.setBigUint64(at, BigInt.asUintN(64, bits), true);
    else if (size === 4) this.view.setUint32(at, Number(BigInt.asUintN(32, bits)), true);
    else if (size === 2) this.view.setUint16(at, Number(BigInt.asUintN(16, bits)), true);
    else this.view.setUint8(at, Number(BigInt.asUintN(8, bits)));
  }

  segment(index: number): { selector: number; base: bigint; limit: number; access: number } {
    return {
      selector: this.get32(L.S_SEG_SELECTOR + index * 4),
      base: this.get64(L.S_SEG_BASE + index * 8),
      limit: this.get32(L.S_SEG_LIMIT + index * 4),
      access: this.get32(L.S_SEG_ACCESS + index * 4),
    };
  }

  setSegment(index: number, selector: number, base: number, limit: number, access: number): void {
    this.set32(L.S_SEG_SELECTOR + index * 4, selector);
    this.set64(L.S_SEG_BASE + index * 8, BigInt(base));
    this.set32(L.S_SEG_LIMIT + index * 4, limit);
    this.set32(L.S_SEG_ACCESS + index * 4, access);
  }

  /** Takes effect of state that was set directly. */
  settle(): void {
    this.run('flushTlb', 0);
    this.run('updateMode');
  }

  /** Puts a micro-op of `length` bytes under execution at RIP `rip`. */
  execute(rip: bigint | number, length: number, prefixes = 0): void {
    const uop = L.UOP_AREA_BASE + L.BLOCK_HEADER_BYTES;
    this.view.setUint8(uop + L.UOP_LENGTH, length);
    this.view.setUint16(uop + L.UOP_RIP_OFFSET, 0, true);
    this.view.setUint16(uop + L.UOP_PREFIXES, prefixes, true);
    this.set64(L.S_BLOCK_RIP, BigInt(rip));
    this.set64(L.S_RIP, BigInt(rip) + BigInt(length));
    this.set32(L.S_UOP, uop);
  }

  /** Raises an exception in the instruction under execution and delivers it; the faults of the delivery, in order. */
  deliver(vector: number, error = -1): Fault[] {
    const faults: Fault[] = [];
    this.fault('raise', vector, error);
    for (let i = 0; i < 8; i++) {
      const next = this.fault('deliverFault');
      if (!next) return faults;
      faults.push(next);
    }
    throw new Error('delivery does not end');
  }
}

/** An 8-byte segment descriptor, SDM 3A figure 3-8; `access` in the layout of S_SEG_ACCESS. */
export function descriptor(base: number, limit: number, access: number): bigint {
  const raw = access & 0x8000 ? limit >>> 12 : limit;
  const b = BigInt(base >>> 0);
  return (
    BigInt(raw & 0xffff) |
    ((b & 0xffffffn) << 16n) |
    (BigInt(access & 0xff) << 40n) |
    (BigInt((raw >> 16) & 15) << 48n) |
    (BigInt((access >> 12) & 15) << 52n) |
    ((b >> 24n) << 56n)
  );
}

/** An interrupt or trap gate; `high` is the upper half of a 64-bit one. */
export function gate(selector: number, offset: number, access: number, ist = 0): bigint {
  const o = BigInt(offset);
  return (
    (o & 0xffffn) |
    (BigInt(selector) << 16n) |
    (BigInt(ist) << 32n) |
    (BigInt(access) << 40n) |
    ((o >> 16n) << 48n)
  );
}

export const CODE32 = 0xc09b;
export const DATA32 = 0xc093;
export const CODE16 = 0x009b;
export const DATA16 = 0x0093;
export const CODE64 = 0xa09b;
export const DPL3 = 0x60;

export const SELECTORS = {
  code0: 0x08, data0: 0x10, code3: 0x18 | 3, data3: 0x20 | 3, code16: 0x28, data16: 0x30, code64: 0x38, user64: 0x40 | 3, conforming: 0x48,
  readOnly: 0x50, notPresent: 0x58, expandDown: 0x60, executeOnly: 0x68, tss: 0x70, ldt: 0x80, free: 0x90,
} as const; // prettier-ignore

/** Where the fixture's tables are in physical memory. */
export const AT = {
  gdt: 0x1000,
  idt: 0x2000,
  tss: 0x3000,
  ldt: 0x3800,
  stack0: 0x5000,
  stack3: 0x7000,
  code: 0x8000,
  tables: 0x100000,
} as const;

/** Flat 32-bit protected mode at CPL 0 without paging; descriptors as SELECTORS says, TSS with stack0 for CPL 0. */
export function protectedMode(m = new CpuHelpers()): CpuHelpers {
  const set = (selector: number, value: bigint) => {
    m.write(AT.gdt + (selector & 0xfff8), 8, value);
  };
  const all = 0xffffffff;
  set(SELECTORS.code0, descriptor(0, all, CODE32));
  set(SELECTORS.data0, descriptor(0, all, DATA32));
  set(SELECTORS.code3, descriptor(0, all, CODE32 | DPL3));
  set(SELECTORS.data3, descriptor(0, all, DATA32 | DPL3));
  set(SELECTORS.code16, descriptor(0x10000, 0xffff, CODE16));
  set(SELECTORS.data16, descriptor(0x20000, 0xffff, DATA16));
  set(SELECTORS.code64, descriptor(0, all, CODE64));
  set(SELECTORS.user64, descriptor(0, all, CODE64 | DPL3));
  set(SELECTORS.conforming, descriptor(0, all, CODE32 | 4));
  set(SELECTORS.readOnly, descriptor(0, all, 0xc091));
  set(SELECTORS.notPresent, descriptor(0, all, 0xc013));
  set(SELECTORS.expandDown, descriptor(0, 0xfff, 0x4097));
  set(SELECTORS.executeOnly, descriptor(0, all, 0xc099));
  set(SELECTORS.tss, descriptor(AT.tss, 0x67, 0x89));
  set(SELECTORS.ldt, descriptor(AT.ldt, 0x1f, 0x82));
  m.write(AT.tss + 4, 4, AT.stack0);
  m.write(AT.tss + 8, 2, SELECTORS.data0);
  m.set64(L.S_GDTR_BASE, BigInt(AT.gdt));
  m.set32(L.S_GDTR_LIMIT, 0x9f);
  m.set64(L.S_IDTR_BASE, BigInt(AT.idt));
  m.set32(L.S_IDTR_LIMIT, 0x7ff);
  m.set64(L.S_CR0, 0x11n);
  m.setSegment(L.SEG_CS, SELECTORS.code0, 0, all, CODE32);
  for (const index of [L.SEG_SS, L.SEG_DS, L.SEG_ES, L.SEG_FS, L.SEG_GS])
    m.setSegment(index, SELECTORS.data0, 0, all, DATA32);
  m.setSegment(L.SEG_TR, SELECTORS.tss, AT.tss, 0x67, 0x8b);
  m.setReg(4, AT.stack0);
  m.settle();
  return m;
}

/** The same at CPL 3. */
export function userMode(m = protectedMode()): CpuHelpers {
  m.setSegment(L.SEG_CS, SELECTORS.code3, 0, 0xffffffff, CODE32 | DPL3);
  for (const index of [L.SEG_SS, L.SEG_DS, L.SEG_ES, L.SEG_FS, L.SEG_GS])
    m.setSegment(index, SELECTORS.data3, 0, 0xffffffff, DATA32 | DPL3);
  m.set32(L.S_CPL, 3);
  m.setReg(4, AT.stack3);
  m.settle();
  return m;
}

export const PTE = {
  P: 1n,
  W: 2n,
  U: 4n,
  A: 0x20n,
  D: 0x40n,
  PS: 0x80n,
  G: 0x100n,
  NX: 1n << 63n,
} as const;

/** 64-bit mode at CPL 0 with an empty 4-level table at AT.tables. */
export function longMode(m = protectedMode()): CpuHelpers {
  m.set64(L.S_CR4, 0x620n);
  m.set64(L.S_EFER, 0xd01n);
  m.set64(L.S_CR3, BigInt(AT.tables));
  m.set64(L.S_CR0, 0x80010011n);
  m.setSegment(L.SEG_CS, SELECTORS.code64, 0, 0xffffffff, CODE64);
  m.write(AT.tss + 4, 8, AT.stack0);
  for (let gpa = 0; gpa < 0x10000; gpa += PAGE)
    map(m, BigInt(gpa), BigInt(gpa), PTE.P | PTE.W | PTE.U);
  m.settle();
  return m;
}

/** Maps a 4 KiB page in the 4-level table at AT.tables, making tables behind it; gives the GPA of the entry. */
export function map(m: CpuHelpers, linear: bigint, gpa: bigint, bits: bigint): number {
  let table: number = AT.tables;
  for (let level = 4; level > 1; level--) {
    const at = table + Number((linear >> BigInt(12 + 9 * (level - 1))) & 511n) * 8;
    let entry = m.read(at, 8);
    if (!(entry & PTE.P)) {
      // A bump pointer in the slot before the tables.
      const next = Number(m.read(AT.tables - 8, 8)) || AT.tables + PAGE;
      m.write(AT.tables - 8, 8, next + PAGE);
      entry = BigInt(next) | PTE.P | PTE.W | PTE.U;
      m.write(at, 8, entry);
    }
    table = Number(entry & 0xfffffff000n);
  }
  const at = table + Number((linear >> 12n) & 511n) * 8;
  m.write(at, 8, gpa | bits);
  return at;
}
