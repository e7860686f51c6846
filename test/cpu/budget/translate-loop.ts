/** Runs a guest loop at CPL 3 in a vcpu of its own and measures the WebAssembly that is made of it. No clock, no randomness: the same bytes come out each time. */
import { RAM_BASE, type WasmVcpu } from '../../../core/cpu';
import * as L from '../../../core/cpu/layout';
import type { WasmHost } from '../../../core/host';
import { nodeWasm } from '../../../core/host-node';
import { bareVcpu } from '../../support/bare-vcpu';
import { moduleSize } from './operators';

const RAM_BYTES = 8 << 20;
const CODE = 0x100000;
const DATA = 0x200000;
const PML4 = 0x1000;
const PDPT = 0x2000;
const PD = 0x3000;
const KERNEL_STACK = 0x190000;
const PRESENT_WRITABLE_USER = 7;
const LARGE_PAGE = 0x80;
/** Code and data selectors as SYSCALL, SYSRET, SYSENTER and SYSEXIT make them of these. */
const KERNEL_CS = 0x08;
const STAR_USER = 0x23n;

const SLICE = 20_000;
/** Slices in which every loop has been through all it does, several times. */
const SLICES = 30;

export interface Loop {
  /** Linked at 0x100000, begins there; base64. */
  readonly code: string;
  /** Where SYSCALL or SYSENTER goes. */
  readonly entry?: number;
}

/** What one generation of regions costs for each guest instruction in them. */
export interface Cost {
  readonly bytes: number;
  readonly operators: number;
}

export interface LoopCost {
  /** Regions as they are made first, of few blocks; and made anew when they have earned it. */
  readonly first: Cost;
  readonly enlarged: Cost;
}

interface Made {
  bytes: number;
  operators: number;
  /** Guest instructions. */
  instructions: number;
}

export class LoopTranslator {
  private readonly vcpu: WasmVcpu;
  private readonly view: DataView;
  private readonly made = { bytes: 0, operators: 0 };

  constructor(
    loop: Loop,
    private readonly long: boolean,
  ) {
    const { vcpu, memory } = bareVcpu(RAM_BYTES, { wasm: this.watchingHost(), translateAfter: 1 });
    this.vcpu = vcpu;
    this.view = new DataView(memory.buffer);
    new Uint8Array(memory.buffer).set(Buffer.from(loop.code, 'base64'), RAM_BASE + CODE);
    this.fillData();
    this.enterUserMode(loop.entry ?? 0);
  }

  /** A host that also weighs the modules of regions: those that import no `host`. */
  private watchingHost(): WasmHost {
    return {
      createMemory: (pages) => nodeWasm.createMemory(pages),
      instantiate: (code, imports) => {
        if (code instanceof Uint8Array && !('host' in imports)) {
          const size = moduleSize(code);
          this.made.bytes += size.bytes;
          this.made.operators += size.operators;
        }
        return nodeWasm.instantiate(code, imports);
      },
    };
  }

  /** Numbers that look random, and small doubles where the matrices are. */
  private fillData(): void {
    for (let i = 0, x = 1; i < 0x10000; i += 4) {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      this.view.setUint32(RAM_BASE + DATA + i, i % 8 === 4 ? 0x3ff00000 | (x >>> 12) : x, true);
    }
  }

  private set64(offset: number, value: bigint): void {
    this.view.setBigUint64(L.VCPU_BASE + offset, value, true);
  }

  private enterUserMode(entry: number): void {
    const physical = (gpa: number, value: number): void =>
      this.view.setBigUint64(RAM_BASE + gpa, BigInt(value), true);
    physical(PML4, PDPT | PRESENT_WRITABLE_USER);
    physical(PDPT, PD | PRESENT_WRITABLE_USER);
    for (let i = 0; i < RAM_BYTES >> 21; i++)
      physical(PD + i * 8, (i << 21) | LARGE_PAGE | PRESENT_WRITABLE_USER);
    const r = this.vcpu.registers;
    r.cr4 = 0x620n; // PAE OSFXSR OSXMMEXCPT
    if (this.long) {
      r.cr3 = BigInt(PML4);
      r.efer = 0xd01n; // NXE LMA LME SCE
      r.cr0 = 0x80010033n; // PG WP NE ET MP PE
    } else r.cr0 = 0x33n;
    this.set64(L.S_STAR, (STAR_USER << 48n) | (BigInt(KERNEL_CS) << 32n));
    this.set64(L.S_LSTAR, BigInt(entry));
    this.set64(L.S_SYSENTER_CS, BigInt(KERNEL_CS));
    this.set64(L.S_SYSENTER_EIP, BigInt(entry));
    this.set64(L.S_SYSENTER_ESP, BigInt(KERNEL_STACK));
    const flat = { base: 0n, limit: 0xffffffff };
    const data = { ...flat, selector: 0x2b, access: 0xc0f3 };
    for (const name of ['ds', 'es', 'fs', 'gs', 'ss'] as const) r.setSegment(name, data);
    r.setSegment('cs', { ...flat, selector: 0x33, access: this.long ? 0xa0fb : 0xc0fb });
    r.rip = BigInt(CODE);
    r.rflags = 0x202;
  }

  private run(): Made {
    this.made.bytes = 0;
    this.made.operators = 0;
    const before = this.vcpu.translator.instructions;
    for (let i = 0; i < SLICES; i++)
      if (this.vcpu.run(SLICE) !== 'budget')
        throw new Error(`the loop ended at ${this.vcpu.registers.rip.toString(16)}`);
    const { faults } = this.vcpu.counters;
    if (faults > 0) throw new Error(`the loop raised ${faults} exceptions`);
    return { ...this.made, instructions: this.vcpu.translator.instructions - before };
  }

  /** Regions made until the loop has settled, then those that replace them. */
  measure(): LoopCost {
    const first = cost(this.run());
    for (let number = 0; number < L.REGION_MAX; number++) {
      const heat = L.REGION_AREA_BASE + number * L.REGION_BYTES + L.REGION_HEAT;
      if (this.view.getInt32(heat, true) > 0) this.view.setInt32(heat, 1, true);
    }
    return { first, enlarged: cost(this.run()) };
  }
}

function cost({ bytes, operators, instructions }: Made): Cost {
  if (instructions === 0) throw new Error('nothing was translated');
  const each = (count: number): number => Math.round((count / instructions) * 100) / 100;
  return { bytes: each(bytes), operators: each(operators) };
}
