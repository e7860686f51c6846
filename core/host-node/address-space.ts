import { readFileSync } from 'node:fs';
import type { KoffiFunc } from 'koffi';
import { loadLibc } from './libc';

interface Kernel {
  readonly mmap: KoffiFunc<
    (
      address: number,
      length: number,
      protection: number,
      flags: number,
      fd: number,
      offset: number,
    ) => number
  >;
  readonly munmap: KoffiFunc<(address: number, length: number) => number>;
  readonly madvise: KoffiFunc<(address: number, length: number, advice: number) => number>;
}

interface Mapping {
  readonly from: number;
  readonly to: number;
  readonly access: string;
  readonly name: string | undefined;
}

/** mmap(2), Linux on x86-64 and arm64. */
const PROT_NONE = 0;
const MAP_PRIVATE = 0x2;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_FIXED_NOREPLACE = 0x100000;
/** madvise(2). */
const MADV_HUGEPAGE = 14;

/** V8 asks for places below this at random (v8/src/base/platform, GetRandomMmapAddr). */
const RANDOM_END = 2 ** 46;
/** Below this lie programs that are not relocated. */
const RANDOM_BEGIN = 2 ** 32;
/** Gaps smaller than this are hardly ever hit. */
const SMALLEST_GAP = 2 ** 30;
/** Another thread may map something between a look and a reservation. */
const ATTEMPTS = 8;

let kernel: Kernel | undefined;

async function load(): Promise<Kernel | undefined> {
  const libc = await loadLibc();
  return (
    libc && {
      mmap: libc.func(
        'intptr_t mmap(uintptr_t at, size_t length, int access, int flags, int fd, int64_t offset)',
      ),
      munmap: libc.func('int munmap(uintptr_t at, size_t length)'),
      madvise: libc.func('int madvise(uintptr_t at, size_t length, int advice)'),
    }
  );
}

/** What is mapped, by rising addresses. */
function mappings(): Mapping[] {
  const lines = readFileSync('/proc/self/maps', 'latin1').split('\n');
  return lines.filter(Boolean).map((line) => {
    const [range, access, , , , name] = line.split(/ +/);
    const [from, to] = range.split('-').map((address) => parseInt(address, 16));
    return { from, to, access, name };
  });
}

/**
 * Makes the processor's TLB reach further, where the host is Linux; anywhere else nothing happens. Call it before the
 * first guest is made. V8 puts every WebAssembly module at a random place, so that thousands of small ones need a page
 * of page tables each: here all those places are taken (they cost nothing), and the kernel lays modules side by side.
 */
export async function arrangeAddressSpace(): Promise<void> {
  kernel ??= await load();
  if (!kernel) return;
  for (let i = 0; i < ATTEMPTS; i++) if (takeGaps(kernel)) return;
}

/** True when no gap is left. */
function takeGaps(calls: Kernel): boolean {
  let complete = true;
  let at = RANDOM_BEGIN;
  const end = { from: RANDOM_END, to: RANDOM_END };
  for (const { from, to } of [...mappings().filter((m) => m.from < RANDOM_END), end]) {
    if (from - at >= SMALLEST_GAP && !reserve(calls, at, from - at)) complete = false;
    at = Math.max(at, to);
  }
  return complete;
}

function reserve(calls: Kernel, at: number, length: number): boolean {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  const got = Number(calls.mmap(at, length, PROT_NONE, flags, -1, 0));
  // Kernels before 4.17 do not know the flag, and map elsewhere what they cannot map there.
  if (got !== at && got !== -1) calls.munmap(got, length);
  return got === at;
}

/** Asks for huge pages behind memory of exactly `bytes` that was just made and not used yet; as QEMU does for a guest's. */
export function preferHugePages(bytes: number): void {
  if (!kernel) return;
  for (const { from, to, access, name } of mappings())
    if (to - from === bytes && access === 'rw-p' && !name)
      kernel.madvise(from, bytes, MADV_HUGEPAGE);
}
