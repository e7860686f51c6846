import { describe, expect, it } from 'vitest';
import type { FileHost } from '../../host';
import { inspectIso } from './inspect';
import { CD_SECTOR_BYTES, type ReadBytes } from './bytes';
import { findPath, readDirectory, readFileStart, readVolume } from './volume';
import { buildIso } from './writer';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const JULY_2026 = Date.UTC(2026, 6, 4, 13, 5, 9);

function readerOf(image: Uint8Array): ReadBytes {
  return async (offset, length) => {
    const part = new Uint8Array(length);
    part.set(image.subarray(offset, offset + length));
    return part;
  };
}

const image = buildIso(
  'cidata',
  [
    { name: 'user-data', bytes: bytes('#cloud-config\n') },
    { name: 'meta-data', bytes: bytes('x'.repeat(5000)) },
    { name: 'empty', bytes: new Uint8Array(0) },
  ],
  JULY_2026,
);

describe('buildIso', () => {
  it('is read back with its names, by whoever knows Joliet', async () => {
    const read = readerOf(image);
    const volume = await readVolume(read);
    expect(volume).toMatchObject({ volumeId: 'cidata', joliet: true, sizeBytes: image.length });
    if (!volume) return;
    const names = (await readDirectory(read, volume, volume.root)).map(({ name }) => name);
    expect(names).toEqual(['empty', 'meta-data', 'user-data']);
    const meta = await findPath(read, volume, 'meta-data');
    expect(meta?.sizeBytes).toBe(5000);
    const user = await findPath(read, volume, 'user-data');
    const content = user && (await readFileStart(read, user, 100));
    expect(new TextDecoder().decode(content)).toBe('#cloud-config\n');
  });

  it('keeps to what ECMA-119 says of the primary tree', () => {
    const view = new DataView(image.buffer);
    const text = (at: number, length: number): string =>
      new TextDecoder('latin1').decode(image.subarray(at, at + length));
    expect(text(16 * CD_SECTOR_BYTES, 6)).toBe('\x01CD001');
    expect(text(17 * CD_SECTOR_BYTES, 6)).toBe('\x02CD001');
    expect(text(18 * CD_SECTOR_BYTES, 7)).toBe('\xffCD001\x01');
    // 7.3.3: sizes stand in both byte orders.
    expect(view.getUint32(16 * CD_SECTOR_BYTES + 80, true)).toBe(image.length / CD_SECTOR_BYTES);
    expect(view.getUint32(16 * CD_SECTOR_BYTES + 84, false)).toBe(image.length / CD_SECTOR_BYTES);
    const root = 23 * CD_SECTOR_BYTES;
    // 9.1.5: years since 1900, month, day, hour, minute, second, offset from Greenwich.
    expect([...image.subarray(root + 18, root + 25)]).toEqual([126, 7, 4, 13, 5, 9, 0]);
    expect(text(root, CD_SECTOR_BYTES)).toContain('META_DATA.;1');
    expect(text(root, CD_SECTOR_BYTES).indexOf('EMPTY.;1')).toBeLessThan(
      text(root, CD_SECTOR_BYTES).indexOf('USER_DATA.;1'),
    );
  });

  it('is found whole by the inspection of CDs', async () => {
    const files = {
      open: async () => ({
        path: '/seed.iso',
        info: { sizeBytes: image.length },
        read: async (offset: number, target: Uint8Array) => {
          const part = image.subarray(offset, offset + target.length);
          target.set(part);
          return part.length;
        },
        close: async () => undefined,
      }),
    } as unknown as FileHost;
    const report = await inspectIso(files, '/seed.iso');
    expect(report).toMatchObject({ volumeId: 'cidata', bootable: 'none' });
    expect(report.problem).not.toContain('truncated');
  });

  it('refuses what does not fit', () => {
    expect(() => buildIso('x'.repeat(17), [], 0)).toThrow(RangeError);
    expect(() => buildIso('a', [{ name: 'a/b', bytes: new Uint8Array(1) }], 0)).toThrow(RangeError);
    expect(() => buildIso('a', [{ name: 'x'.repeat(31), bytes: new Uint8Array(1) }], 0)).toThrow(
      RangeError,
    );
  });
});
