/** Runs a program on this machine's processor, at the address it was linked for, in a page that may be written and run. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Program } from './assemble';

const SOURCE = `
#include <stdio.h>
#include <sys/mman.h>
int main(void) {
  unsigned char *code = (unsigned char *)0x100000UL;
  if (mmap(code, 0x200000, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) return 1;
  if (fread(code, 1, 0x100000, stdin) == 0) return 2;
  unsigned long result;
  __asm__ volatile("call *%1" : "=b"(result) : "a"(code)
    : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
  printf("%lu", result);
  return 0;
}
`;

export class NativeProgram {
  private readonly folder = mkdtempSync(join(tmpdir(), 'domus-native-'));
  private readonly binary = join(this.folder, 'run');

  constructor() {
    const source = join(this.folder, 'run.c');
    writeFileSync(source, SOURCE);
    execFileSync('gcc', ['-O1', '-no-pie', '-mno-red-zone', '-o', this.binary, source]);
  }

  /** RBX when the program returns. */
  run(program: Program): bigint {
    const input = Buffer.from(program.bytes);
    return BigInt(execFileSync(this.binary, { input, encoding: 'utf8' }));
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
