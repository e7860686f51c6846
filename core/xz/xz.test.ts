import { describe, expect, it } from 'vitest';
import { nodeWasm } from '../host-node';
import { crc32, decodeBase64 } from '../base';
import { unpackXz } from './container';
import { Lzma2Decoder, UnpackError } from './lzma2';
import { undoX86Filter } from './x86-filter';

/** `sample()` as `xz --check=crc32 --x86 --lzma2=dict=64KiB` of XZ Utils packs it. */
const PACKED = decodeBase64(
  [
    '/Td6WFoAAAFpIt42AgEEACEBCADSuXTL4Jw/A/9dADIZSszB9hCzUQelirq0u9YC7cOKA3huCbNNcQttzByxpc/PsY',
    'KGb/IR4tYjLP+9TG6MuhBe+e6LGLrJpzam8sVMfQKbxxcI7izMwdUcP/TyC3XtHlzFx+Voj4geVf1RVTOg+qnADB2n',
    'Vua25K84OznmmF86oV1nEQEOtLVtPTBvUHtuJ/MXplvcsgRdEMx8uB+GHLEIWEQqjLExClU6G2g3H5Zx+3kzvKupbz',
    'DlfhHFEOeQmRzC2cz60136chKN/xjTtjUvdKhwVnbp/X3c3eUV1eWMLsjQFVAaOxsd6KcwKl9VtGc5odJ9/VK9fZXp',
    'o96750AjyfhL28RDyRMrajGAgzJ2SadWO4ZRA46dMrZWCP/wPHLY9vIfZOxPDxCFzUvTEK7s3XnaqlGSpn5lP7E0iX',
    '0PcoIvymGdcoClM+WOXdGXHdcdyxf5wNbYmt23HOXM7We6dALIj1CEd7THI4EcG/e7FwVPtQD0QzwEMNDEmnDa4DZm',
    'ugo4PU3wukYX/ThFu4W5oNbApjsyulAZo/h1zeBpRYkYWKihmt3zTt1NZlLBbPAx8PLBcRXEfXhmWZVd+Ezxb8Z4ym',
    'x6/Gj+17G5RPoAFZMCit4I5vsPnW51DwEpq7trDITQKn7c93H2TrrI0Xz9LgqIhxYfAXr06yTedtDOMqS7MV+jJy+S',
    '7aVfb3uTJPMiR2iRQFmnNe9qO49Mak302tl94qEf2CP3lELE4UfWsqMeh2sm+dHbocqEfhCRYFcv++0pmg/VySBDPt',
    '4fLwlg9SJt8L09P1qTHi2w/O1ORZFyHOIoGnqc64OHDgPykNSVMHOXOH5MtZ+0m7IYAd3ETG7DEFseu/O5xpxG0UZ2',
    'tWjeQRygZLlMQWjKR4ry7ifvhQR7mwT9yu9hOjk9PGT4KcYikdBbA9J2zvlvgLxC49yvmjj6QicZWY9IjtmltwJ6rk',
    'RngbC1wwj3Apuz5xvLYSAXQqUsGm14YiJr2Prmylo4PANmzqggd6Se6YSk78UcB9xidMZkK1a3m9xEOGPAvGSs/vLo',
    'pHtBF3MAdwDWmX6GTThWtGuJpg1sNiVIlyabaXMMxezZBRayFqXxm6zL84xdVb8F8lclMmmSAkQX2rbWUtBTj8ECCV',
    'ymVYnshTctaoY4sCnY9Xskv8DUQTDVHmUJKg/KCmmBRhmZebbrgsqcD197wCFrMOdoHHyx3PITaRNoYikGCi1TcsjW',
    'WqgWJzIfhhXf5A7n3rGz8tN33adApSz8/vgiD6hdb13KgdPYfLfke7shrXL2b+DMrIMjUyR2om2zma8oSCcccH6qb4',
    'ANpzmq+iVNFBQnq+cKdV20f+XOgWSxnA7RD7KyNe8fiQi2mGbQuG5u8QAAKTbGeAABlwjAuAIAy5pwfD4wDYsCAAAA',
    'AAFZWg==',
  ].join(''),
);

/** 40,000 bytes with calls, words, runs, near and far repetitions. */
function sample(): Uint8Array {
  let seed = 7;
  const random = (): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 8;
  const words = ['interrupt', 'descriptor', 'segment', 'paging ', 'vector\n', 'call '];
  const out: number[] = [];
  while (out.length < 40000) {
    const kind = random() % 4;
    if (kind === 0) {
      out.push(0xe8 + (random() & 1));
      const target = random() & 0x3fff;
      random();
      out.push(target & 255, target >> 8, 0, random() & 1 ? 0xff : 0);
    } else if (kind === 1) {
      for (const c of words[random() % 6]) out.push(c.charCodeAt(0));
    } else if (kind === 2) {
      const n = 200 + (random() % 1200);
      for (let i = 0; i < n; i++)
        out.push(out[Math.max(0, out.length - (n & 1 ? 1777 : 20011))] ?? 1);
    } else {
      const last = out.at(-1) ?? 0;
      for (let i = 0; i < 6 + (random() % 20); i++) out.push(last);
    }
  }
  return Uint8Array.from(out.slice(0, 40000));
}

describe('xz', () => {
  it('unpacks what XZ Utils packed, x86 filter included', () => {
    const bytes = unpackXz(nodeWasm, PACKED, 40000);
    expect(bytes.length).toBe(40000);
    expect(crc32(bytes)).toBe(crc32(sample()));
  });

  it('has the CRC32 of IEEE 802.3', () => {
    expect(crc32(Uint8Array.from('123456789', (c) => c.charCodeAt(0)))).toBe(0xcbf43926);
  });

  it('refuses damaged, short and foreign data, and more output than was announced', () => {
    expect(() => unpackXz(nodeWasm, new Uint8Array(100), 100)).toThrow('is not an .xz stream');
    expect(() => unpackXz(nodeWasm, PACKED, 39999)).toThrow('ends too early');
    for (let at = 13; at < PACKED.length - 28; at += 17) {
      const damaged = PACKED.slice();
      damaged[at] ^= 0x10;
      expect(() => unpackXz(nodeWasm, damaged, 40000), `byte ${at}`).toThrow(UnpackError);
    }
    for (const length of [12, 20, 100, 900])
      expect(() => unpackXz(nodeWasm, PACKED.subarray(0, length), 40000)).toThrow();
  });

  it('copies chunks that are stored', () => {
    const stored = Uint8Array.of(1, 0, 4, 10, 20, 30, 40, 50, 2, 0, 0, 60, 0);
    const decoder = new Lzma2Decoder(nodeWasm, stored, 8);
    expect(decoder.run(0)).toBe(13);
    expect([...decoder.output]).toEqual([10, 20, 30, 40, 50, 60]);
  });

  it('leaves code without near calls as it is', () => {
    const code = Uint8Array.from({ length: 64 }, (_, i) => i);
    undoX86Filter(code);
    expect([...code]).toEqual(Array.from({ length: 64 }, (_, i) => i));
    // A call at 0 to absolute 105h is relative 100h.
    const call = Uint8Array.of(0xe8, 0x05, 0x01, 0, 0, 0x90, 0x90, 0x90);
    undoX86Filter(call);
    expect([...call.subarray(0, 5)]).toEqual([0xe8, 0x00, 0x01, 0, 0]);
  });
});
