/**
 * Programs whose handlers log every exception: run translated and interpreted in lockstep with the interpreter one
 * instruction at a time, so that what handlers and programs find is the same.
 */
import { expect } from 'vitest';
import { assemble, type Program } from './assemble';
import { explain, Lockstep } from './lockstep';
import { CODE, CONSTANTS, LOG, Rig, type RigConfig } from './rig';

const WAYS: readonly (Pick<RigConfig, 'translateAfter' | 'unoptimized'> & { slice: number })[] = [
  { translateAfter: 0, slice: 500 },
  { translateAfter: 1, slice: 97 },
  { translateAfter: 1, unoptimized: true, slice: 97 },
  { translateAfter: 20, slice: 1500 },
];
export const locksteps = WAYS.map((way) => ({
  ...way,
  lockstep: new Lockstep(new Rig(way)),
}));

/** Registers of an entry of the log, in the order of PUSH. */
const LOGGED = 8 * 24;

/**
 * Handlers log vector, error code, RIP, CS, flags, RSP, SS, CR2 and all registers. Faults go on at R14, traps and
 * interrupts where they were.
 */
const HANDLERS = `
  .macro entry vector, error
  vector\\vector:
    .ifeq \\error
    push 0
    .endif
    push \\vector
    jmp common
  .endm
  .irp v, 0, 1, 3, 6, 7, 32
  entry \\v, 0
  .endr
  .irp v, 12, 13, 14, 17
  entry \\v, 1
  .endr
  common:
    .irp r, r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax
    push \\r
    .endr
    mov rax, cr2
    push rax
    mov rdi, [log]
    mov rsi, rsp
    mov ecx, 23
    cld
    rep movsq
    add qword ptr [log], ${String(LOGGED)}
    inc qword ptr [faults]
    mov rax, [rsp + 16*8]        # vector
    cmp rax, 1
    je 1f
    cmp rax, 3
    je 3f
    cmp rax, 32
    je 3f
    cmp qword ptr [mend], 0
    je 2f
    mov rax, [mend]              # a page that is there from now on
    or qword ptr [PAGE_TABLES + rax*8], 3
    jmp 3f
  2:mov [rsp + 18*8], r14
    jmp 3f
  1:mov rax, dr6                 # RF, so that a breakpoint is met once
    test al, 15
    jz 3f
    or dword ptr [rsp + 20*8], 0x10000
    xor eax, eax
    mov dr6, rax
  3:add rsp, 8
    .irp r, rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
    pop \\r
    .endr
    add rsp, 16
    iretq
  .balign 8
  log: .quad LOG
  faults: .quad 0
  mend: .quad 0
`;
/** Words of a log entry. */
const WORD = {
  cr2: 0,
  rax: 1,
  vector: 16,
  error: 17,
  rip: 18,
  cs: 19,
  flags: 20,
  rsp: 21,
} as const;

export interface Logged {
  readonly vector: number;
  readonly error: number;
  readonly rip: number;
  readonly cr2: bigint;
}

export function logOf(rig: Rig, program: Program): Logged[] {
  const count = rig.view.getUint32(program.symbol('faults'), true);
  const at = (entry: number, name: keyof typeof WORD): bigint =>
    rig.view.getBigUint64(LOG + entry * LOGGED + WORD[name] * 8, true);
  return Array.from({ length: count }, (_, i) => ({
    vector: Number(at(i, 'vector')),
    error: Number(at(i, 'error')),
    rip: Number(at(i, 'rip')),
    cr2: at(i, 'cr2'),
  }));
}

/** `HOLE` is a page that is not mapped, `FIXED` one that may not be written. */
export const build = (text: string): Program =>
  assemble(
    `${CONSTANTS}
    .set HOLE, 0x210000
    .set FIXED, 0x220000
    and qword ptr [PAGE_TABLES + (HOLE >> 12) * 8], ~1
    and qword ptr [PAGE_TABLES + (FIXED >> 12) * 8], ~2
    mov ebp, DATA
    mov r13d, 0x11223344
    xor ebx, ebx
    ${text}
    hlt
    ${HANDLERS}`,
    CODE,
  );

/** Runs in every way in lockstep; gives what the handlers of the first one logged, after comparing all. */
export function run(program: Program, between?: (rig: Rig, slices: number) => void): Logged[] {
  let first: Logged[] | undefined;
  for (const { lockstep, slice } of locksteps) {
    lockstep.load(program);
    const { leader } = lockstep;
    let exit = leader.vcpu.run(slice);
    for (let slices = 0; ; slices++) {
      const found = lockstep.follow();
      if (found) expect.fail(explain(found, program));
      if (exit !== 'budget') break;
      expect(slices).toBeLessThan(5000);
      between?.(leader, slices);
      exit = leader.vcpu.run(slice);
    }
    expect(exit).toBe('halted');
    leader.interrupts.length = 0;
    first ??= logOf(leader, program);
  }
  return first!;
}
