/** Exceptions in the midst of hot code: what the handler finds, and what the program finds afterwards. */
import { describe, expect, it } from 'vitest';
import { build, locksteps, logOf, run } from './fault-log';
import { explain } from './lockstep';

/** An instruction in the midst of others in a loop of 200 rounds; in every 8th RSI is `bad`, else `good`. */
const inLoop = (instruction: string, good: string, bad: string, rounds = 200): string => `
    mov r12d, ${String(rounds)}
    lea r14, [next]
  l: mov rsi, ${good}
    test r12d, 7
    jnz 1f
    mov rsi, ${bad}
  1: mov eax, r12d
    lea rdx, [rax + rax*2]
    mov rdi, rsp
    sub eax, 5
    adc rbx, rdx
    movq xmm1, rbx
    paddq xmm0, xmm1
    cmp eax, 100
  at: ${instruction}
  next: mov rsp, rdi
    sbb rbx, 3
    mov [rbp + 8], rbx
    inc rbx
    dec r12d
    jnz l`;

const HOLE = 0x210000n;
const FIXED = 0x220000n;

describe('a fault in hot code', () => {
  it.each([
    ['a load', 'mov rax, [rsi]', 'rbp', 'HOLE + 0x18', 0, HOLE + 0x18n],
    ['a store', 'mov [rsi], rax', 'rbp', 'HOLE + 0x20', 2, HOLE + 0x20n],
    ['a store to a read-only page', 'mov [rsi], ax', 'rbp', 'FIXED', 3, FIXED],
    ['read and write of one place', 'add [rsi + 8], rax', 'rbp', 'FIXED', 3, FIXED + 8n],
    ['an exchange', 'xchg [rsi], eax', 'rbp', 'FIXED', 3, FIXED],
    ['a compare and exchange', 'cmpxchg [rsi], rdx', 'rbp', 'FIXED', 3, FIXED],
    ['a load across pages, into the hole', 'mov rax, [rsi]', 'rbp', 'HOLE - 3', 0, HOLE],
    [
      'a store across pages, out of the hole',
      'mov [rsi], rax',
      'rbp',
      'HOLE + 0xffa',
      2,
      HOLE + 0xffan,
    ],
    ['a store across pages, into the hole', 'mov [rsi], rax', 'rbp', 'HOLE - 4', 2, HOLE],
    ['a vector load', 'movdqu xmm2, [rsi]', 'rbp', 'HOLE - 9', 0, HOLE],
    ['a vector store', 'movdqu [rsi], xmm1', 'rbp', 'HOLE - 8', 2, HOLE],
    [
      'a second access of a checked group',
      'mov rax, [rsi]\nat2: mov rdx, [rsi + 0x80]',
      'rbp',
      'HOLE - 0x80',
      0,
      HOLE,
    ],
    [
      'a string move',
      'mov rdi, rbp\nmov ecx, 40\nat2: rep movsb\nlea rdi, [STACK_TOP - 0x1000]',
      'rbp + 0',
      'HOLE - 25',
      0,
      HOLE,
    ],
  ] as const)('%s: #PF', (_, instruction, good, bad, error, cr2) => {
    const text = inLoop(instruction, good === 'rbp' ? 'rbp' : good, bad);
    // `mov rsi, rbp` and `mov rsi, constant` both assemble.
    const program = build(text.replace('mov rsi, rbp + 0', 'mov rsi, rbp'));
    const log = run(program);
    expect(log.length).toBe(25);
    const at = program.symbol(instruction.includes('at2') ? 'at2' : 'at');
    for (const entry of log) expect(entry).toEqual({ vector: 14, error, rip: at, cr2 });
  });

  it.each([
    ['a push', 'mov rsp, rsi\nat2: push rdx', 'rdi', 'HOLE + 8', 2, HOLE],
    ['a pop', 'mov rsp, rsi\nat2: pop rdx', 'rdi', 'HOLE + 8', 0, HOLE + 8n],
    ['a call', 'mov rsp, rsi\nat2: call next', 'rdi', 'HOLE + 8', 2, HOLE],
    ['a return', 'mov rsp, rsi\nat2: ret', 'offset good', 'HOLE + 16', 0, HOLE + 16n],
    ['LEAVE', 'push rbp\nmov rbp, rsi\nat2: leave\nlea r11, [next]', 'rdi', 'HOLE', 0, HOLE],
  ] as const)('%s: #PF on a stack of its own', (_, instruction, good, bad, error, cr2) => {
    // RSI as a stack would be read before RDI is set; handlers run on another stack (IST 1).
    const text = inLoop(instruction, good, bad)
      .replace('mov rdi, rsp', 'mov rdi, offset STACK_TOP - 0x1000\nmov rsp, rdi')
      .replace('mov rsi, rdi', 'lea rsi, [STACK_TOP - 0x1000]')
      .replace('next: mov rsp, rdi', 'next: mov rsp, rdi\nmov ebp, DATA');
    const program = build(`
      mov dword ptr [0x12000 + 36], STACK_TOP - 0x100
      mov byte ptr [0x11000 + 14 * 16 + 4], 1
      ${text}
      jmp over
      .balign 8
    good: .quad next
    over:`);
    const log = run(program);
    expect(log.length).toBe(25);
    for (const entry of log)
      expect(entry).toEqual({ vector: 14, error, rip: program.symbol('at2'), cr2 });
  });

  it.each([
    ['a division by zero', 'xor edx, edx\nat2: div rsi', '7', '0', 0, 0],
    ['an undefined opcode', 'test rsi, rsi\njz next\nat2: ud2', '0', '1', 6, 0],
    ['an address that is not canonical', 'at2: mov rax, [rsi]', 'rbp', '0x800000000000', 13, 0],
    [
      'a stack address that is not canonical',
      'mov rsp, rsi\nat2: mov rax, [rsp]',
      'rdi',
      '0x800000000000',
      12,
      0,
    ],
    ['a misaligned vector', 'at2: movaps xmm2, [rsi]', 'rbp', 'DATA + 4', 13, 0],
    ['a jump that is not canonical', 'at2: jmp rsi', 'offset next', '0x800000000000', 13, 0],
    ['INT3', 'test rsi, rsi\njz next\nint3\nat2:', '0', '1', 3, 0],
  ] as const)('%s', (_, instruction, good, bad, vector, error) => {
    const text = inLoop(instruction, good, bad)
      .replace('mov rsi, rdi', 'mov rsi, rsp')
      .replace(/mov rsi, 0x8/, 'movabs rsi, 0x8');
    const program = build(`
      mov dword ptr [0x12000 + 36], STACK_TOP - 0x100
      mov byte ptr [0x11000 + 12 * 16 + 4], 1
      ${text}`);
    const log = run(program);
    expect(log.length).toBe(25);
    const jump = instruction.includes('jmp rsi');
    for (const entry of log) {
      expect([entry.vector, entry.error]).toEqual([vector, error]);
      // A jump's target is refused before or behind it (SDM 2A, JMP: #GP of the instruction).
      if (!jump) expect(entry.rip).toBe(program.symbol('at2'));
    }
  });

  it('is taken again once its page is there, and the instruction then runs once', () => {
    const program = build(`
      mov qword ptr [mend], HOLE >> 12
      mov r12d, 300
      lea rsi, [HOLE - 4]
    l: mov rax, [PAGE_TABLES + (HOLE >> 12) * 8]
      test r12d, 15
      jnz 1f
      and qword ptr [PAGE_TABLES + (HOLE >> 12) * 8], ~1
      invlpg [HOLE]
    1: add rbx, 1
      xadd [rsi], rbx
      push rbx
      adc dword ptr [rsi + 4], 7
      pop rbx
      dec r12d
      jnz l`);
    const log = run(program);
    expect(log.map(({ vector, error, cr2 }) => [vector, error, cr2])).toEqual(
      Array.from({ length: 19 }, () => [14, 2, HOLE]),
    );
  });

  it.each([
    ['0x48, 0xc7, 0xc1, 0x10, 0, 0, 0', 2, 'MOV, whose opcode is undefined with ModR/M FF'],
    ['0x48, 0x8d, 0x41, 0x10', 2, 'LEA, undefined with a register'],
    ['0x0f, 0xba, 0xe1, 0x07', 2, 'BT of an immediate, one of a group'],
    ['0x66, 0x0f, 0xc7, 0xf1', 3, 'RDRAND, one of a group with a prefix'],
    ['0xc4, 0xe2, 0x70, 0xf2, 0xc1', 4, 'ANDN'],
    ['0xc4, 0xe2, 0x78, 0xf3, 0xd9', 4, 'BLSI, a VEX opcode with a group'],
    ['0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8', 5, 'a long immediate'],
    ['0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0', 3, 'NOP, in front of its opcode'],
  ])(
    'is the fetch of the page behind, which comes: %s, of which %i are there: %s',
    (bytes, split) => {
      const program = build(`
      or qword ptr [PAGE_TABLES + (HOLE >> 12) * 8], 1
      lea rsi, [code]
      mov edi, HOLE - ${String(split)}
      mov ecx, 32
      rep movsb
      and qword ptr [PAGE_TABLES + (HOLE >> 12) * 8], ~1
      invlpg [HOLE]
      mov qword ptr [mend], HOLE >> 12
      mov eax, HOLE - ${String(split)}
      call rax
      jmp past
    code: .byte ${bytes}
      ret
      .fill 32, 1, 0x90
    past: nop`);
      const log = run(program);
      expect(log.map(({ vector, rip, cr2 }) => [vector, BigInt(rip), cr2])).toEqual([
        [14, HOLE - BigInt(split), HOLE],
      ]);
    },
  );

  it('in user mode: pages of the supervisor, and fetches that may not run', () => {
    const program = build(`
      and qword ptr [PAGE_TABLES + (FIXED >> 12) * 8], ~4
      mov dword ptr [HOLE - 0x1000], 0xc3c3c3c3
      bts qword ptr [PAGE_TABLES + ((HOLE - 0x1000) >> 12) * 8], 63
      mov r15, rsp
      push USER_SS
      push r15
      push 2
      push USER_CS
      lea rax, [user]
      push rax
      iretq
    user: ${inLoop('mov rax, [rsi]', 'rbp', 'FIXED', 80)}
      mov r12d, 80
      lea r14, [n2]
    l2: lea rsi, [good]
      test r12d, 7
      jnz 1f
      lea rsi, [HOLE - 0x1000]
    1: mov rdi, rsp
      add rbx, rsi
    call rsi
    n2: mov rsp, rdi
      dec r12d
      jnz l2
      lea r14, [done]
      hlt
    good: ret
    done: mov rsp, STACK_TOP - 0x2000
      mov r15, cr0`);
    // HLT in user mode: #GP, whose handler goes on at `done`, in user mode still: MOV from CR0 faults for ever.
    for (const { lockstep, slice } of locksteps) {
      lockstep.load(program);
      for (let n = 0; n < 40; n++) {
        lockstep.leader.vcpu.run(slice);
        const found = lockstep.follow();
        if (found) expect.fail(explain(found, program));
      }
      const faults = logOf(lockstep.leader, program)
        .slice(0, 20)
        .map(({ vector, error }) => `${String(vector)}:${String(error)}`);
      const ten = (fault: string) => Array.from({ length: 10 }, () => fault);
      if (slice === 1500) expect(faults).toEqual([...ten('14:5'), ...ten('14:21')]);
    }
  });
});
