/**
 * Speed of the processor alone: one vcpu without a machine runs a plain loop of integer instructions in 64-bit mode.
 * Prints one line of JSON: millions of guest instructions a second by tier, the best of some runs.
 * `npm run bench -- --rows integer-loop` bundles and starts it.
 */
import { RAM_BASE, type WasmVcpu } from '../../core/cpu';
import { bareVcpu } from '../support/bare-vcpu';

const RAM_BYTES = 16 << 20;
// Guest-physical places.
const PML4 = 0x1000;
const PDPT = 0x2000;
const PD = 0x3000;
const CODE = 0x10000;
const DATA = 0x20000;

const LOOP = Uint8Array.from([
  0x48, 0x01, 0xc8, //       add rax, rcx
  0x48, 0x31, 0xc3, //       xor rbx, rax
  0x48, 0x8d, 0x14, 0x83, // lea rdx, [rbx+rax*4]
  0x48, 0xc1, 0xca, 0x0d, // ror rdx, 13
  0x48, 0x29, 0xd0, //       sub rax, rdx
  0x89, 0x1e, //             mov [rsi], ebx
  0x48, 0xd1, 0xeb, //       shr rbx, 1
  0x48, 0xff, 0xc9, //       dec rcx
  0x75, 0xe5, //             jnz the first
  0xf4, //                   hlt
]); // prettier-ignore
const LOOP_INSTRUCTIONS = 9;

/** What RAX is after so many rounds, by this file's own arithmetic. */
function expected(rounds: bigint): bigint {
  const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
  let [rax, rbx, rdx] = [0n, 0n, 0n];
  for (let rcx = rounds; rcx > 0n; rcx--) {
    rax = u64(rax + rcx);
    rbx ^= rax;
    rdx = u64(rbx + rax * 4n);
    rdx = u64((rdx >> 13n) | (rdx << 51n));
    rax = u64(rax - rdx);
    rbx >>= 1n;
  }
  return rax;
}

function makeVcpu(translateAfter?: number): WasmVcpu {
  const { vcpu, memory } = bareVcpu(RAM_BYTES, {
    ...(translateAfter !== undefined && { translateAfter }),
  });
  const view = new DataView(memory.buffer);
  const entry = (gpa: number, value: number): void =>
    view.setBigUint64(RAM_BASE + gpa, BigInt(value), true);
  entry(PML4, PDPT | 3);
  entry(PDPT, PD | 3);
  // 2 MiB at 0, present and writable.
  entry(PD, 0x83);
  new Uint8Array(memory.buffer).set(LOOP, RAM_BASE + CODE);
  return vcpu;
}

/** Runs the loop from its start to its HLT; guest instructions a second. */
function run(vcpu: WasmVcpu, rounds: number): number {
  vcpu.reset('power-on');
  const r = vcpu.registers;
  r.cr3 = BigInt(PML4);
  r.cr4 = 0x20n; // PAE
  r.efer = 0x500n; // LMA, LME
  r.cr0 = 0x80000011n; // PG, ET, PE
  const flat = { base: 0n, limit: 0xffffffff };
  r.setSegment('cs', { ...flat, selector: 8, access: 0xa09b });
  for (const name of ['ss', 'ds', 'es'] as const)
    r.setSegment(name, { ...flat, selector: 16, access: 0xc093 });
  for (const name of ['rax', 'rbx', 'rdx'] as const) r.set64(name, 0n);
  r.set64('rcx', BigInt(rounds));
  r.set64('rsi', BigInt(DATA));
  r.rip = BigInt(CODE);
  r.rflags = 2;
  const before = vcpu.instructions;
  const started = performance.now();
  for (let exit = vcpu.run(1_000_000); exit !== 'halted'; exit = vcpu.run(1_000_000))
    if (exit === 'shutdown') throw new Error('the processor shut down');
  const seconds = (performance.now() - started) / 1000;
  const instructions = vcpu.instructions - before;
  if (instructions !== rounds * LOOP_INSTRUCTIONS + 1)
    throw new Error(`${instructions} instructions were counted for ${rounds} rounds`);
  return instructions / seconds;
}

const CHECKED_ROUNDS = 100_000;
/** As many rounds as a tier does in a second or less. */
const TIERS = [
  { tier: 'interpreter', translateAfter: 0, rounds: 10_000_000 },
  { tier: 'translator', translateAfter: undefined, rounds: 100_000_000 },
];
const TIMES = 5;

const results = TIERS.map(({ tier, translateAfter, rounds }) => {
  const vcpu = makeVcpu(translateAfter);
  run(vcpu, CHECKED_ROUNDS);
  const sum = vcpu.registers.get64('rax');
  if (sum !== expected(BigInt(CHECKED_ROUNDS))) throw new Error(`the ${tier} computed ${sum}`);
  const rates = Array.from({ length: TIMES }, () => run(vcpu, rounds));
  return { tier, mips: Math.max(...rates) / 1e6 };
});
process.stdout.write(`${JSON.stringify(results)}\n`);
