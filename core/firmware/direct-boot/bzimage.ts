/**
 * Direct boot of a Linux bzImage, x86-64 or i386: by the 32-bit boot protocol through the kernel's own decompressor,
 * or with the kernel unpacked by us (vmlinux.ts) straight at its entry, at a place chosen as the decompressor would
 * (placement.ts): in long mode for x86-64 (64-bit boot protocol).
 * Spec: Documentation/arch/x86/boot.rst of Linux 6.1, protocol 2.02 to 2.15.
 * Missing: zImage (loaded low), setup_data, EFI handover, the 16-bit entry.
 */
import type { GuestMemory, RegisterAccess } from '../../hw';
import { ByteBuilder, utf8 } from '../bytes';
import { type MemoryMapEntry, E820_RAM } from '../memory-map';
import * as bp from './boot-params';
import { choosePlacement, type PlacementLimits } from './placement';
import { relocate } from './relocations';
import type { UnpackedKernel } from './vmlinux';

/** Why a kernel cannot be booted, as a sentence for the user. */
export class DirectBootError extends Error {
  override readonly name = 'DirectBootError';
}

export interface LinuxBootFiles {
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array | undefined;
  readonly commandLine: string;
}

export interface LinuxBootTarget {
  readonly memoryMap: readonly MemoryMapEntry[];
  /** GPA of the ACPI RSDP; 0 when the guest shall look for it. */
  readonly rsdpAddress: number;
}

export interface MemoryWrite {
  readonly gpa: number;
  readonly bytes: Uint8Array;
}

/** Everything that must be in memory and the entry point; made before anything is touched. */
export interface LinuxBootPlan {
  readonly writes: readonly MemoryWrite[];
  /** 32-bit entry of the decompressor. */
  readonly entry: number;
  readonly bootParams: number;
  /** Where an unpacked kernel may go; undefined when only its decompressor knows. */
  readonly room: PlacementLimits | undefined;
  /** 'Linux 6.1.0-18-amd64 ...' as the kernel names itself, '' when it does not. */
  readonly version: string;
}

const BOOT_PARAMS_GPA = 0x9_0000;
const COMMAND_LINE_GPA = 0x9_1000;
const COMMAND_LINE_SPACE = 0x3000;
const GDT_GPA = 0x9_4000;
const STACK_TOP_GPA = 0x9_8000;
const PAGE_TABLES_GPA = 0x9_8000;
const PAGE_RW = 0x03;
const PAGE_LARGE = 0x80;
const EFER_LME = 1n << 8n;
const EFER_LMA = 1n << 10n;
const CR4_PAE = 1n << 5n;
const CR0_PG = 1n << 31n;
const CR0_ET = 1n << 4n;
const CR0_PE = 1n;
const BOOT_CS = 0x10;
const BOOT_DS = 0x18;
const MIN_VERSION = 0x202;
const MIB = 1024 * 1024;

const u16 = (b: Uint8Array, at: number): number => b[at] | (b[at + 1] << 8);
const u32 = (b: Uint8Array, at: number): number => (u16(b, at) | (u16(b, at + 2) << 16)) >>> 0;

/** The part of RAM from 1 MiB up: where kernels and ramdisks go. */
function highRam(map: readonly MemoryMapEntry[]): { start: number; end: number } {
  const entry = map.find((e) => e.type === E820_RAM && e.base === MIB);
  return entry ? { start: entry.base, end: entry.base + entry.length } : { start: MIB, end: MIB };
}

function kernelVersion(kernel: Uint8Array): string {
  const pointer = u16(kernel, 0x20e);
  if (pointer === 0 || pointer + 0x200 >= kernel.length) return '';
  let text = '';
  for (let at = pointer + 0x200; at < kernel.length && kernel[at] !== 0 && text.length < 200; at++)
    text += String.fromCharCode(kernel[at]);
  return `Linux ${text}`;
}

/**
 * Checks the files and lays them out.
 * @throws DirectBootError with a sentence that says what is wrong.
 */
export function planLinuxBoot(files: LinuxBootFiles, target: LinuxBootTarget): LinuxBootPlan {
  const { kernel } = files;
  if (
    kernel.length < 0x400 ||
    u16(kernel, bp.BOOT_FLAG) !== 0xaa55 ||
    u32(kernel, bp.HEADER) !== bp.HDRS_MAGIC
  ) {
    throw new DirectBootError(
      'The kernel file is not a Linux bzImage: it has no "HdrS" setup header.',
    );
  }
  const version = u16(kernel, bp.VERSION);
  const dotted = `${version >> 8}.${String(version & 0xff).padStart(2, '0')}`;
  if (version < MIN_VERSION)
    throw new DirectBootError(
      `The kernel is too old: it speaks boot protocol ${dotted}, and at least 2.02 is needed.`,
    );
  if ((kernel[bp.LOADFLAGS] & bp.LOADED_HIGH) === 0)
    throw new DirectBootError(
      'The kernel is a zImage, which loads below 1 MiB; a bzImage is needed.',
    );

  const setupBytes = ((kernel[bp.SETUP_SECTS] || 4) + 1) * 512;
  if (setupBytes >= kernel.length)
    throw new DirectBootError('The kernel file is cut short: it ends inside its setup code.');
  const code = kernel.subarray(setupBytes);
  const load = u32(kernel, bp.CODE32_START) || MIB;
  const ram = highRam(target.memoryMap);
  if (load < ram.start)
    throw new DirectBootError(
      `The kernel asks to be loaded at 0x${load.toString(16)}, below 1 MiB.`,
    );

  // The decompressor works in [start, start + init_size), start being pref_address when that is above where we load.
  let needed = load + code.length;
  if (version >= 0x20a) {
    const preferred = u32(kernel, bp.PREF_ADDRESS) + u32(kernel, bp.PREF_ADDRESS + 4) * 2 ** 32;
    needed = Math.max(needed, Math.max(load, preferred) + u32(kernel, bp.INIT_SIZE));
  } else {
    needed = Math.max(needed, load + code.length * 4);
  }
  if (needed > ram.end) {
    throw new DirectBootError(
      `The kernel needs at least ${Math.ceil(needed / MIB) + 1} MiB of memory to unpack itself; the virtual machine has ${Math.ceil(ram.end / MIB)} MiB.`,
    );
  }

  const line = utf8(files.commandLine);
  const lineMax = Math.min(
    version >= 0x206 ? u32(kernel, bp.CMDLINE_SIZE) : 255,
    COMMAND_LINE_SPACE - 1,
  );
  if (line.length > lineMax)
    throw new DirectBootError(
      `The kernel command line has ${line.length} bytes; this kernel takes at most ${lineMax}.`,
    );

  const writes: MemoryWrite[] = [{ gpa: load, bytes: code }];
  let initrdAt = 0;
  const initrdBytes = files.initrd?.length ?? 0;
  if (files.initrd && initrdBytes > 0) {
    const top = Math.min(
      ram.end,
      (version >= 0x203 ? u32(kernel, bp.INITRD_ADDR_MAX) : 0x37ff_ffff) + 1,
    );
    initrdAt = Math.floor((top - initrdBytes) / 4096) * 4096;
    if (initrdAt < needed) {
      throw new DirectBootError(
        `The ramdisk does not fit: ${Math.ceil(initrdBytes / MIB)} MiB of ramdisk and ${Math.ceil(needed / MIB)} MiB for the kernel exceed the memory of the virtual machine (${Math.ceil(ram.end / MIB)} MiB).`,
      );
    }
    writes.push({ gpa: initrdAt, bytes: files.initrd });
  }

  writes.push({
    gpa: BOOT_PARAMS_GPA,
    bytes: zeroPage(kernel, version, target, load, initrdAt, initrdBytes),
  });
  writes.push({ gpa: COMMAND_LINE_GPA, bytes: Uint8Array.of(...line, 0) });
  return {
    writes,
    entry: load,
    room: kernelRoom(kernel, version, initrdAt || ram.end, files.commandLine),
    bootParams: BOOT_PARAMS_GPA,
    version: kernelVersion(kernel),
  };
}

/** Undefined for kernels without the fields that say it, and with options that keep memory from the kernel. */
function kernelRoom(
  kernel: Uint8Array,
  version: number,
  end: number,
  commandLine: string,
): PlacementLimits | undefined {
  if (version < 0x20a || /(^|\s)(mem|memmap)=|hugepages/.test(commandLine)) return undefined;
  const movable = kernel[bp.RELOCATABLE_KERNEL] !== 0 && !/(^|\s)nokaslr(\s|$)/.test(commandLine);
  return {
    preferred: u32(kernel, bp.PREF_ADDRESS),
    bytes: u32(kernel, bp.INIT_SIZE),
    alignment: movable ? u32(kernel, bp.KERNEL_ALIGNMENT) : 0,
    end,
  };
}

function zeroPage(
  kernel: Uint8Array,
  version: number,
  target: LinuxBootTarget,
  load: number,
  initrdAt: number,
  initrdBytes: number,
): Uint8Array<ArrayBuffer> {
  const page = new Uint8Array(bp.BOOT_PARAMS_BYTES);
  const view = new DataView(page.buffer);
  // boot.rst: copy from 0x1F1 to the end of the header, which the jump's displacement gives.
  const headerEnd = Math.min(bp.HEADER + kernel[bp.JUMP + 1], 0x290);
  page.set(kernel.subarray(bp.SETUP_SECTS, headerEnd), bp.SETUP_SECTS);

  page[bp.ORIG_VIDEO_MODE] = 3;
  page[bp.ORIG_VIDEO_COLS] = 80;
  page[bp.ORIG_VIDEO_LINES] = 25;
  page[bp.ORIG_VIDEO_ISVGA] = 1;
  view.setUint16(bp.ORIG_VIDEO_POINTS, 16, true);

  page[bp.TYPE_OF_LOADER] = bp.TYPE_OF_LOADER_UNDEFINED;
  view.setUint32(bp.CODE32_START, load, true);
  view.setUint32(bp.RAMDISK_IMAGE, initrdAt, true);
  view.setUint32(bp.RAMDISK_SIZE, initrdBytes, true);
  view.setUint32(bp.CMD_LINE_PTR, COMMAND_LINE_GPA, true);
  if (version >= 0x209) view.setBigUint64(bp.SETUP_DATA, 0n, true);
  view.setBigUint64(bp.ACPI_RSDP_ADDR, BigInt(target.rsdpAddress), true);

  const ram = highRam(target.memoryMap);
  view.setUint32(bp.ALT_MEM_K, (ram.end - ram.start) / 1024, true);
  page[bp.E820_ENTRIES] = target.memoryMap.length;
  target.memoryMap.forEach((e, i) => {
    const at = bp.E820_TABLE + i * bp.E820_ENTRY_BYTES;
    view.setBigUint64(at, BigInt(e.base), true);
    view.setBigUint64(at + 8, BigInt(e.length), true);
    view.setUint32(at + 16, e.type, true);
  });
  return page;
}

/** Null, unused, 10h flat code (64-bit or 32-bit), 18h flat data: boot.rst, "32-bit boot protocol" and "64-bit". */
function gdt(long: boolean): Uint8Array<ArrayBuffer> {
  return new ByteBuilder()
    .u64(0)
    .u64(0)
    .u64(long ? 0x00af_9b00_0000_ffffn : 0x00cf_9b00_0000_ffffn)
    .u64(0x00cf_9300_0000_ffffn)
    .build();
}

/** Identity mapping of the first 4 GiB in 2 MiB pages: PML4, PDPT, four page directories. */
function pageTables(): Uint8Array<ArrayBuffer> {
  const b = new ByteBuilder();
  b.u64((PAGE_TABLES_GPA + 0x1000) | PAGE_RW).zeros(0x1000 - 8);
  for (let i = 0; i < 4; i++) b.u64((PAGE_TABLES_GPA + 0x2000 + i * 0x1000) | PAGE_RW);
  b.zeros(0x1000 - 32);
  for (let i = 0; i < 2048; i++) b.u64(BigInt(i) * 0x20_0000n + BigInt(PAGE_RW | PAGE_LARGE));
  return b.build();
}

/** A kernel that is unpacked for this start, which changes its bytes; and 64 random bits for its place. */
export interface UnpackedStart {
  /** Waits for it, when all else is in place; undefined when its own decompressor must unpack it. */
  readonly kernel: () => UnpackedKernel | undefined;
  readonly random: () => bigint;
}

/** Where an unpacked kernel begins, and whether in long mode. */
type PlacedKernel = Pick<UnpackedKernel, 'entry' | 'long'>;

/** Writes an unpacked kernel to memory; undefined when there is none or it does not fit where it was linked. */
function placeKernel(
  { kernel: unpack, random }: UnpackedStart,
  room: PlacementLimits,
  bootParams: number,
  memory: GuestMemory,
): PlacedKernel | undefined {
  const kernel = unpack();
  if (!kernel) return undefined;
  const { segments, relocations, long } = kernel;
  const end = room.preferred + room.bytes;
  const fits = segments.every(
    ({ gpa, bytes }) => gpa >= room.preferred && gpa + bytes.length <= end,
  );
  if (!fits) return undefined;
  let moved = 0;
  if (relocations && room.alignment !== 0) {
    const { physical, virtual } = choosePlacement(long, room, random);
    moved = physical;
    relocate(segments, relocations, virtual);
    const flags = memory.readU8(bootParams + bp.LOADFLAGS);
    memory.writeU8(bootParams + bp.LOADFLAGS, flags | bp.KASLR_FLAG);
  }
  for (const { gpa, bytes } of segments) memory.write(gpa + moved, bytes);
  return { entry: kernel.entry + moved, long };
}

/** Writes the plan to memory and puts the boot processor at the entry of the kernel, or of its decompressor. */
export function startLinux(
  plan: LinuxBootPlan,
  memory: GuestMemory,
  registers: RegisterAccess,
  unpacked?: UnpackedStart,
): void {
  for (const { gpa, bytes } of plan.writes) memory.write(gpa, bytes);
  const placed = unpacked && plan.room && placeKernel(unpacked, plan.room, plan.bootParams, memory);
  const { entry, long } = placed ?? { entry: plan.entry, long: false };
  memory.write(GDT_GPA, gdt(long));
  if (long) memory.write(PAGE_TABLES_GPA, pageTables());
  registers.efer = long ? EFER_LME | EFER_LMA : 0n;
  registers.cr4 = long ? CR4_PAE : 0n;
  registers.cr3 = long ? BigInt(PAGE_TABLES_GPA) : 0n;
  registers.cr0 = long ? CR0_PG | CR0_ET | CR0_PE : CR0_ET | CR0_PE;
  registers.gdtr = { base: BigInt(GDT_GPA), limit: 31 };
  registers.idtr = { base: 0n, limit: 0 };
  registers.setSegment('cs', {
    selector: BOOT_CS,
    base: 0n,
    limit: 0xffff_ffff,
    access: long ? 0xa09b : 0xc09b,
  });
  for (const name of ['ds', 'es', 'fs', 'gs', 'ss'] as const) {
    registers.setSegment(name, { selector: BOOT_DS, base: 0n, limit: 0xffff_ffff, access: 0xc093 });
  }
  for (const name of ['rax', 'rcx', 'rdx', 'rbx', 'rbp', 'rdi'] as const) registers.set32(name, 0);
  registers.set32('rsi', plan.bootParams);
  registers.set32('rsp', STACK_TOP_GPA);
  registers.rflags = 0x2;
  registers.rip = BigInt(entry);
}
