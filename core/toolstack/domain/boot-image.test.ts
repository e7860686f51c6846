import { describe, expect, it } from 'vitest';
import { firmwareProblem, KERNEL_HEADER_BYTES, kernelProblem } from './boot-image';

/** Boot flag, magic and protocol of Documentation/arch/x86/boot.rst. */
function header(protocol: number): Uint8Array {
  const bytes = new Uint8Array(KERNEL_HEADER_BYTES);
  bytes.set([0x55, 0xaa], 0x1fe);
  bytes.set(Buffer.from('HdrS'), 0x202);
  bytes.set([protocol & 0xff, protocol >> 8], 0x206);
  return bytes;
}

describe('kernelProblem', () => {
  it('has nothing against a bzImage', () => {
    expect(kernelProblem('/k', header(0x020f))).toBeUndefined();
  });

  it.each<[Uint8Array, string]>([
    [
      header(0x0201),
      '/k is a Linux kernel too old to start: boot protocol 2.01, and 2.02 is needed',
    ],
    [new Uint8Array(0), '/k is not a Linux kernel: it has no bzImage header'],
    [new Uint8Array(1000), '/k is not a Linux kernel: it has no bzImage header'],
    [
      Uint8Array.from(Buffer.from('\x7fELF')),
      '/k is an ELF file; the kernel has to be a bzImage (vmlinuz), as distributions install it',
    ],
    [
      Uint8Array.from([0x1f, 0x8b, 8]),
      '/k is a gzip file; the kernel has to be a bzImage (vmlinuz), not a ramdisk',
    ],
  ])('says what else a file is', (bytes, message) => {
    expect(kernelProblem('/k', bytes)).toBe(message);
  });
});

describe('firmwareProblem', () => {
  it.each([64 << 10, 128 << 10, 256 << 10, 4 << 20])('takes %d bytes', (size) => {
    expect(firmwareProblem('/f', size)).toBeUndefined();
  });
  it.each([0, 100, (64 << 10) + 1, 8 << 20])('refuses %d bytes', (size) => {
    expect(firmwareProblem('/f', size)).toContain('is not a PC firmware image');
  });
});
