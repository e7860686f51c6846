/** Guest programs from assembly text (GNU as, Intel syntax), linked at an address, as bytes and symbols. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Program {
  readonly at: number;
  readonly bytes: Uint8Array;
  /** Address of a label. */
  symbol(name: string): number;
}

/** @throws when the assembler refuses the text. */
export function assemble(text: string, at: number, bits: 16 | 32 | 64 = 64): Program {
  const folder = mkdtempSync(join(tmpdir(), 'domus-as-'));
  try {
    const file = (name: string) => join(folder, name);
    const run = (program: string, ...args: string[]) =>
      execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    writeFileSync(file('a.s'), `.intel_syntax noprefix\n.code${String(bits)}\n.text\n${text}\n`);
    run('as', '--64', '-o', file('a.o'), file('a.s'));
    run('ld', `-Ttext=0x${at.toString(16)}`, '-e', '0', '-o', file('a'), file('a.o'));
    run('objcopy', '-O', 'binary', '-j', '.text', file('a'), file('a.bin'));
    const symbols = new Map<string, number>();
    for (const line of run('nm', file('a')).split('\n')) {
      const [address, , name] = line.split(' ');
      if (name) symbols.set(name, Number.parseInt(address, 16));
    }
    return {
      at,
      bytes: new Uint8Array(readFileSync(file('a.bin'))),
      symbol: (name) => {
        const found = symbols.get(name);
        if (found === undefined) throw new Error(`no label ${name}`);
        return found;
      },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
