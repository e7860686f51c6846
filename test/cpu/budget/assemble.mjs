// Makes loops.json of loops.c; only after a change of loops.c: node test/cpu/budget/assemble.mjs
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LOOPS = ['sha256', 'memcpy', 'partition', 'bytecode', 'matmul', 'calls', 'syscall'];
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** gcc's flags: freestanding, at fixed addresses, SSE2 in both modes, no vectors but those that are written. */
const FLAGS = [
  '-O2',
  '-ffreestanding',
  '-nostdlib',
  '-static',
  '-fno-pic',
  '-no-pie',
  '-fcf-protection=none',
];
const MORE = ['-fno-stack-protector', '-fno-asynchronous-unwind-tables', '-fno-tree-vectorize', '-fno-tree-loop-distribute-patterns', '-msse2', '-mno-red-zone']; // prettier-ignore
const LINK = ['-Wl,--build-id=none', '-Wl,-z,noexecstack', '-Wl,-z,max-page-size=4096', '-T'];

const SCRIPT = `ENTRY(_start) SECTIONS { . = 0x100000;
  .text : { *(.start) *(.text*) *(.rodata*) *(.data*) *(.bss*) } /DISCARD/ : { *(.note*) *(.comment*) *(.eh_frame*) } }`;

const folder = mkdtempSync(join(tmpdir(), 'domus-budget-'));
try {
  writeFileSync(join(folder, 'link.ld'), SCRIPT);
  const loops = {};
  for (const bits of [64, 32])
    for (const name of LOOPS) {
      const elf = join(folder, 'loop.elf');
      const bin = join(folder, 'loop.bin');
      const only = bits === 32 ? ['-mfpmath=sse'] : [];
      execFileSync('gcc', [...FLAGS, ...MORE, ...only, `-m${bits}`, `-DLOOP_${name}`, here('./loops.c'), '-o', elf, ...LINK, join(folder, 'link.ld')]); // prettier-ignore
      execFileSync('objcopy', ['-O', 'binary', elf, bin]);
      const symbols = execFileSync('nm', [elf], { encoding: 'utf8' });
      const entry = /^([0-9a-f]+) \w entry$/m.exec(symbols);
      loops[`${name}-${bits}`] = {
        code: readFileSync(bin).toString('base64'),
        ...(entry && { entry: Number.parseInt(entry[1], 16) }),
      };
    }
  writeFileSync(here('./loops.json'), `${JSON.stringify(loops, undefined, 2)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
