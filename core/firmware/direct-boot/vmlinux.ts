/**
 * The kernel proper inside a bzImage: unpacked by us instead of by the guest, which spends some two thousand million
 * instructions on it. Xen's domain builder does the same for its guests.
 * Specs: Documentation/arch/x86/boot.rst of Linux 6.1 (payload fields); System V ABI, ELF-32 and ELF-64.
 * Scope: XZ payloads (Debian's kernels). Kernels of other compressions start by their own decompressor.
 */
import type { WasmHost } from '../../host';
import { UnpackError, unpackXz } from '../../xz';
import * as bp from './boot-params';
import { findRelocations, type LinkedSegment, type Relocations } from './relocations';

/** No kernel is larger; the size is what the file says. */
const MAX_UNPACKED_BYTES = 256 * 1024 * 1024;
const ELF_MAGIC = 0x464c_457f;
const ELFCLASS64 = 2;
const EM_386 = 3;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const MAX_PROGRAM_HEADERS = 64;

/** A kernel as it was linked. */
export interface UnpackedKernel {
  readonly segments: readonly LinkedSegment[];
  /** Physical address of the first instruction. */
  readonly entry: number;
  /** Entered in long mode; else in 32-bit protected mode without paging. */
  readonly long: boolean;
  /** Absent for a kernel that runs only where it was linked. */
  readonly relocations: Relocations | undefined;
}

/** The kernel of a bzImage; undefined when its own decompressor must unpack it: it is damaged or of a kind not known here. */
export function unpackKernel(wasm: WasmHost, kernel: Uint8Array): UnpackedKernel | undefined {
  try {
    return unpackPayload(wasm, kernel);
  } catch (error) {
    if (error instanceof UnpackError) return undefined;
    throw error;
  }
}

/** @throws UnpackError when there is no payload of a kind known here. */
export function unpackPayload(wasm: WasmHost, kernel: Uint8Array): UnpackedKernel {
  if (kernel.length < bp.PAYLOAD_LENGTH + 4) throw new UnpackError('ends too early');
  const header = new DataView(kernel.buffer, kernel.byteOffset, kernel.length);
  if (header.getUint16(bp.VERSION, true) < bp.PAYLOAD_VERSION)
    throw new UnpackError('has no payload fields');
  const start =
    ((kernel[bp.SETUP_SECTS] || 4) + 1) * 512 + header.getUint32(bp.PAYLOAD_OFFSET, true);
  const length = header.getUint32(bp.PAYLOAD_LENGTH, true);
  if (length < 16 || start + length > kernel.length) throw new UnpackError('ends too early');
  // Kbuild appends the unpacked size to the payload.
  const size = header.getUint32(start + length - 4, true);
  if (size > MAX_UNPACKED_BYTES) throw new UnpackError('is too large');
  return parseElf(unpackXz(wasm, kernel.subarray(start, start + length - 4), size));
}

/** The loadable segments at their physical addresses, and what relocates them. */
export function parseElf(file: Uint8Array): UnpackedKernel {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (file.length < 64 || view.getUint32(0, true) !== ELF_MAGIC)
    throw new UnpackError('is not an ELF file');
  const long = file[4] === ELFCLASS64;
  if (view.getUint16(18, true) !== (long ? EM_X86_64 : EM_386))
    throw new UnpackError('is for another processor');
  /** A word of the file's class, as a number below 2^53. */
  const word = (at: number): number =>
    long ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true);
  const entry = word(24);
  const table = word(long ? 32 : 28);
  const entryBytes = view.getUint16(long ? 54 : 42, true);
  const count = view.getUint16(long ? 56 : 44, true);
  const sectionsEnd =
    word(long ? 40 : 32) +
    view.getUint16(long ? 58 : 46, true) * view.getUint16(long ? 60 : 48, true);
  if (
    count > MAX_PROGRAM_HEADERS ||
    entryBytes < (long ? 56 : 32) ||
    table + count * entryBytes > file.length
  ) {
    throw new UnpackError('has bad program headers');
  }
  const segments: LinkedSegment[] = [];
  let linkedBase: number | undefined;
  // Behind the last part of the ELF file is what Kbuild appended.
  let fileEnd = sectionsEnd;
  for (let i = 0; i < count; i++) {
    const at = table + i * entryBytes;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    const offset = word(at + (long ? 8 : 4));
    const gpa = word(at + (long ? 24 : 12));
    const bytes = word(at + (long ? 32 : 16));
    if (offset + bytes > file.length) throw new UnpackError('ends inside a segment');
    fileEnd = Math.max(fileEnd, offset + bytes);
    // The lower half is enough of an address: the tables have no more.
    linkedBase ??= (view.getUint32(at + (long ? 16 : 8), true) - gpa) >>> 0;
    segments.push({ gpa, bytes: file.subarray(offset, offset + bytes) });
  }
  if (!segments.some(({ gpa, bytes }) => entry >= gpa && entry < gpa + bytes.length))
    throw new UnpackError('has its entry outside of its segments');
  const relocations = findRelocations(file, fileEnd, long, linkedBase ?? 0, segments);
  return { segments, entry, long, relocations };
}
