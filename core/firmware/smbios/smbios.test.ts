import { describe, expect, it } from 'vitest';
import { buildSmbios, uuidBytes } from './smbios';

const { entryPoint, structures } = buildSmbios(
  {
    ramBytes: 512 << 20,
    vcpus: 2,
    uuid: '00112233-4455-6677-8899-aabbccddeeff',
    biosVersion: '0.1.0',
    cpuVendor: 'GenuineIntel',
    cpuBrand: 'test',
    cpuSignature: 1,
    cpuFeatures: 2,
  },
  0xe4000,
);

/** Type and text of every structure, by walking the table as DSP0134 6.1 says. */
function walk(): { type: number; length: number; strings: string[]; bytes: Uint8Array }[] {
  const found = [];
  for (let at = 0; at < structures.length;) {
    const length = structures[at + 1];
    let end = at + length;
    const strings: string[] = [];
    let text = '';
    for (; structures[end] !== 0 || structures[end + 1] !== 0; end++) {
      if (structures[end] === 0) {
        strings.push(text);
        text = '';
      } else text += String.fromCharCode(structures[end]);
    }
    if (text) strings.push(text);
    found.push({
      type: structures[at],
      length,
      strings,
      bytes: structures.subarray(at, at + length),
    });
    at = end + 2;
  }
  return found;
}

describe('SMBIOS 2.8 (DSP0134)', () => {
  it('has an entry point with both checksums', () => {
    const sum = (from: number): number =>
      entryPoint.subarray(from).reduce((a, b) => a + b, 0) & 0xff;
    expect(String.fromCharCode(...entryPoint.subarray(0, 4))).toBe('_SM_');
    expect(entryPoint.length).toBe(0x1f);
    expect([sum(0), sum(0x10)]).toEqual([0, 0]);
    const view = new DataView(entryPoint.buffer);
    expect(view.getUint32(0x18, true)).toBe(0xe4000);
    expect(view.getUint16(0x16, true)).toBe(structures.length);
    expect(view.getUint16(0x1c, true)).toBe(walk().length);
  });

  it('holds the structures an operating system expects, with 2.8 lengths', () => {
    expect(walk().map(({ type, length }) => [type, length])).toEqual([
      [0, 24],
      [1, 27],
      [3, 22],
      [4, 42],
      [4, 42],
      [16, 23],
      [17, 40],
      [19, 31],
      [32, 11],
      [127, 4],
    ]);
  });

  it('shows the UUID with its first three fields little-endian, and memory in MiB', () => {
    const system = walk()[1];
    expect([...system.bytes.subarray(8, 24)]).toEqual([
      0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
      0xff,
    ]);
    expect(uuidBytes('nonsense').length).toBe(16);
    const device = walk().find(({ type }) => type === 17)!;
    expect(device.bytes[12] | (device.bytes[13] << 8)).toBe(512);
  });
});
