/**
 * Is a file what the configuration calls it?
 * Kernel: Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header": 0x1FE boot flag 0xAA55, 0x202 magic "HdrS", 0x206 protocol.
 * Firmware: a PC ROM image is mapped to end at 4 GiB and shadowed below 1 MiB, in whole 64 KiB pieces.
 */

/** How much of a kernel file has to be looked at. */
export const KERNEL_HEADER_BYTES = 0x210;
const BOOT_FLAG = 0x1fe;
const HEADER_MAGIC = 0x202;
const PROTOCOL = 0x206;
/** Protocol 2.02 (kernel 2.4.0) is the first with a command line pointer. */
const OLDEST_PROTOCOL = 0x0202;

const FIRMWARE_UNIT_BYTES = 64 << 10;
const MAX_FIRMWARE_BYTES = 4 << 20;

function startsWith(bytes: Uint8Array, offset: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[offset + i] !== text.charCodeAt(i)) return false;
  return true;
}

/** Why `bytes` (the start of the file, or all of it) is not a kernel that can be booted, as a sentence; undefined when it is one. */
export function kernelProblem(path: string, bytes: Uint8Array): string | undefined {
  if (startsWith(bytes, 0, '\x7fELF'))
    return `${path} is an ELF file; the kernel has to be a bzImage (vmlinuz), as distributions install it`;
  if (startsWith(bytes, 0, '\x1f\x8b'))
    return `${path} is a gzip file; the kernel has to be a bzImage (vmlinuz), not a ramdisk`;
  const isBzImage =
    bytes.length >= KERNEL_HEADER_BYTES &&
    bytes[BOOT_FLAG] === 0x55 &&
    bytes[BOOT_FLAG + 1] === 0xaa &&
    startsWith(bytes, HEADER_MAGIC, 'HdrS');
  if (!isBzImage) return `${path} is not a Linux kernel: it has no bzImage header`;
  const protocol = (bytes[PROTOCOL] ?? 0) | ((bytes[PROTOCOL + 1] ?? 0) << 8);
  if (protocol < OLDEST_PROTOCOL)
    return `${path} is a Linux kernel too old to start: boot protocol ${protocol >> 8}.${(protocol & 0xff).toString().padStart(2, '0')}, and 2.02 is needed`;
  return undefined;
}

/** Why a file of this size cannot be PC firmware; undefined when it can. */
export function firmwareProblem(path: string, sizeBytes: number): string | undefined {
  const good =
    sizeBytes > 0 && sizeBytes <= MAX_FIRMWARE_BYTES && sizeBytes % FIRMWARE_UNIT_BYTES === 0;
  return good
    ? undefined
    : `${path} is not a PC firmware image: it has ${sizeBytes} bytes, and a ROM has a multiple of 64 KiB up to 4 MiB`;
}
