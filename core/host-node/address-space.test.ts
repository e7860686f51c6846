import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { arrangeAddressSpace } from './address-space';
import { nodeWasm } from './wasm';

const MODULES = 64;
const FIRST_LETTER = 0x30;
const GIB = 2 ** 30;
const MEMORY_PAGES = 1024;

/** A module with one empty function, and a name of one letter for it: V8 knows modules that it has seen. */
function moduleWith(letter: number): Uint8Array<ArrayBuffer> {
  const type = [1, 4, 1, 0x60, 0, 0];
  const functions = [3, 2, 1, 0];
  const exported = [7, 5, 1, 1, letter, 0, 0];
  const code = [10, 4, 1, 2, 0, 0x0b];
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[...type, ...functions, ...exported, ...code],
  ]);
}

/** Addresses of code that was made at run time. */
function codeAddresses(): number[] {
  const lines = readFileSync('/proc/self/maps', 'latin1').split('\n');
  return lines
    .filter((line) => /^\S+ r-?w?xp \S+ 00:00 0 *$/.test(line))
    .map((line) => parseInt(line, 16));
}

/** Flags of the mapping that has exactly these many bytes. */
function flagsOfMapping(bytes: number): string | undefined {
  const entries = readFileSync('/proc/self/smaps', 'latin1').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const found = entries.find((entry) => {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw-p/.exec(entry) ?? [];
    return from !== undefined && parseInt(to, 16) - parseInt(from, 16) === bytes;
  });
  return /VmFlags: (.*)/.exec(found ?? '')?.[1];
}

it.runIf(process.platform === 'linux')(
  'lays modules side by side and guest memory on huge pages',
  async () => {
    await arrangeAddressSpace();
    const before = new Set(codeAddresses());
    for (let i = 0; i < MODULES; i++) nodeWasm.instantiate(moduleWith(FIRST_LETTER + i), {});
    const made = codeAddresses().filter((address) => !before.has(address));
    expect(made).not.toEqual([]);
    expect(Math.max(...made) - Math.min(...made)).toBeLessThan(GIB);

    const { buffer } = nodeWasm.createMemory(MEMORY_PAGES);
    const flags = flagsOfMapping(buffer.byteLength);
    expect(flags).toBeDefined();
    expect(flags?.split(' ')).toContain('hg');
  },
);
