/**
 * Whether the compilers of this JavaScript engine agree about the regions of a Linux guest: each is run from the same random
 * states as V8's baseline compiler makes it, and as its optimizing one does, and must leave the same state and memory. V8
 * 11.3's optimizing compiler cut registers to 32 bits in one of some ten thousand (core/host-node/wasm.ts).
 */
import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { expect, it, vi } from 'vitest';
import * as L from '../../core/cpu/layout';
import { HELPERS } from '../../core/cpu/ops/helper-types';
import { nodeWasm } from '../../core/host-node';
import { Random } from '../cpu/random';
import { LinuxGuest } from '../support/linux-guest';
import { count, judge, secondsSince } from './bar';

/** What the guest does for its code to be translated: many short programs, and some that calculate. */
const WORK = [
  'i=0; while [ $i -lt 200 ]; do sh -c "ls /bin /proc | sort | tail -n 1" > /dev/null; i=$((i+1)); done',
  'cat /bin/busybox | gzip | gunzip | sha256sum | awk "{ for (i = 0; i < 200000; i++) n += i % 7; print n }"',
  'find / -xdev | sed -e s/a/b/ | grep -c b; dd if=/dev/zero bs=4k count=4000 | md5sum',
];
const TIERS = {
  baseline: ['--liftoff', '--no-wasm-tier-up', '--no-experimental-wasm-compilation-hints'],
  optimizing: ['--no-liftoff'],
} as const;
const STATES = 5;
/** Instructions of a run, where it does not leave the region before. */
const BUDGET = 600;

const VCPU = L.VCPU_BASE;
const REGISTERS = 18;
/** Addresses that registers hold, what is mapped around them, and where it is in memory. */
const LINEAR = 0x7f3a10000000n;
const PAGES_BELOW = 16;
const PAGES = 48;
const PAGE = 4096;

type Exports = Record<string, () => number>;

function tierOf(bytes: Uint8Array, tier: keyof typeof TIERS): Uint8Array<ArrayBuffer> {
  for (const flag of TIERS[tier]) setFlagsFromString(flag);
  // A custom section with its name: the engine has another module of the same bytes at hand otherwise.
  const section = [0, tier.length + 1, tier.length, ...new TextEncoder().encode(tier)];
  return Uint8Array.from([...bytes, ...section]);
}

/** Results of helpers, which do nothing: what stands around the calls is looked at. */
function silentHelpers(): Record<string, unknown> {
  const results = (name: string): number | bigint => (HELPERS[name].endsWith('>l') ? 0n : 0);
  return new Proxy({}, { get: (_, name) => () => results(String(name)) });
}

/** Vcpu state, TLB and memory from a seed. Every third state has an empty TLB, every third one with gaps. */
function setUp(view: DataView, seed: number): void {
  const random = new Random(seed + 1);
  const wild = seed % 5 === 4;
  for (let r = 0; r < REGISTERS; r++) {
    const near = LINEAR + BigInt(random.below(2048) * 8);
    view.setBigUint64(VCPU + r * 8, wild ? random.operand() : near, true);
  }
  view.setBigUint64(VCPU + L.S_ZERO, 0n, true);
  view.setBigUint64(VCPU + L.S_RIP, 0x7f2a2853d9bcn, true);
  view.setInt32(VCPU + L.S_BUDGET, BUDGET, true);
  view.setUint32(VCPU + L.S_REQUEST, 0, true);
  view.setUint32(VCPU + L.S_CODE_CHANGED, 0, true);
  view.setUint32(VCPU + L.S_TLB, L.TLB_AREA_BASE, true);
  view.setUint32(VCPU + L.S_FLAG_KIND, L.FLAGS_LOGIC + random.below(4), true);
  view.setBigUint64(VCPU + L.S_FLAG_RESULT, BigInt(random.below(2)), true);
  view.setBigUint64(VCPU + L.S_FLAG_SOURCE, BigInt(random.below(2)), true);
  view.setUint32(VCPU + L.S_EFLAGS, 2, true);
  view.setUint32(VCPU + L.S_MXCSR, 0x1f80, true);
  for (let at = 0; at < 256; at += 8)
    view.setBigUint64(VCPU + L.S_XMM + at, BigInt(random.below(2 ** 31)), true);
  for (let at = 0; at < L.TLB_MODE_BYTES; at += 8)
    view.setBigUint64(L.TLB_AREA_BASE + at, 0xffffffffffffffffn, true);
  for (let page = 0; page < PAGES && seed % 3 !== 0; page++) {
    if (seed % 3 === 2 && random.chance(25)) continue;
    const linear = LINEAR + BigInt((page - PAGES_BELOW) * PAGE);
    const slot = Number((linear >> 12n) & BigInt(L.TLB_ENTRIES - 1)) * L.TLB_PAIR_BYTES;
    const addend = L.RAM_BASE + page * PAGE - Number(linear & 0xffffffffn);
    for (const array of [0, L.TLB_WRITE]) {
      view.setBigUint64(L.TLB_AREA_BASE + array + slot, linear, true);
      view.setUint32(L.TLB_AREA_BASE + array + slot + 8, addend >>> 0, true);
    }
  }
  for (let at = 0; at < PAGES * PAGE; at += 8)
    view.setBigUint64(L.RAM_BASE + at, LINEAR + BigInt(random.below(4096) * 8), true);
}

function outcome(view: DataView, region: () => number): string {
  let result: string;
  try {
    result = String(region());
  } catch (error) {
    // A helper whose values JavaScript cannot give.
    result = String(error);
  }
  const part = (from: number, bytes: number): Uint8Array =>
    new Uint8Array(view.buffer, from, bytes);
  const hash = createHash('sha1').update(result);
  hash.update(part(VCPU, L.S_FLAG_SOURCE + 8)).update(part(VCPU + L.S_XMM, 256));
  return hash.update(part(L.RAM_BASE, PAGES * PAGE)).digest('hex');
}

it('regions are the same by every compiler', async () => {
  const begin = performance.now();
  const modules: Uint8Array[] = [];
  const { instantiate } = nodeWasm;
  vi.spyOn(nodeWasm, 'instantiate').mockImplementation((code, imports) => {
    // The interpreters and the helpers have more to import than regions.
    if (code instanceof Uint8Array && !('host' in imports)) modules.push(code.slice());
    return instantiate(code, imports);
  });
  const linux = await LinuxGuest.boot({});
  const memoryPages = linux.machine.memory.buffer.byteLength / 65536;
  for (const line of WORK) await linux.run(line, 600_000);
  vi.restoreAllMocks();

  const found: Record<keyof typeof TIERS, string[]> = { baseline: [], optimizing: [] };
  for (const tier of ['baseline', 'optimizing'] as const) {
    // Regions leave more behind than is set up anew: profiles of branches, for instance.
    const memory = nodeWasm.createMemory(memoryPages);
    const view = new DataView(memory.buffer);
    const imports = { env: { memory: memory.memory }, helpers: silentHelpers() };
    for (const [number, bytes] of modules.entries()) {
      const regions = instantiate(tierOf(bytes, tier), imports) as unknown as Exports;
      for (const [name, region] of Object.entries(regions))
        for (let seed = 0; seed < STATES; seed++) {
          setUp(view, seed);
          found[tier].push(
            `module ${number} region ${name} state ${seed}: ${outcome(view, region)}`,
          );
        }
    }
  }
  expect(found.baseline.length).toBeGreaterThan(10_000);
  const misses = found.baseline.filter((line, i) => line !== found.optimizing[i]);
  judge({
    bar: 'compilers',
    ours: `${misses.length} of ${count(found.baseline.length)} runs of regions differ by V8 ${process.versions.v8}'s compilers, ${secondsSince(begin)}`,
    anchor: 'V8 11.3 as it comes: one region in some 10,000',
    misses: misses.slice(0, 10),
  });
});
