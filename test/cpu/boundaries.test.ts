/** Single-step, breakpoints and interrupts meet every instruction of hot code. */
import { describe, expect, it } from 'vitest';
import { build, locksteps, run } from './fault-log';
import { explain } from './lockstep';
import { Rig } from './rig';

/** Hot code with calls, memory and flags that leaves its result in RBX. */
const WORK = `
    mov r12d, 60
  work: call f
    add rbx, [rbp + 16]
    rol rbx, 3
    dec r12d
    jnz work
    jmp worked
  f: push rcx
    mov ecx, 4
  g: lea rax, [rbx + rcx]
    xor [rbp + 16], rax
    add word ptr [rbp + 18], cx
    sbb dword ptr [rbp + 22], 0
    dec ecx
    jnz g
    pop rcx
    ret
  worked:`;

describe('at every instruction of hot code', () => {
  it('single-step stops behind each', () => {
    const program = build(`
      mov r11d, 2
    again: ${WORK}
      cmp r11d, 2
      jne done
      mov r15d, 40
    step: pushfq
      or qword ptr [rsp], 0x100
      popfq
      call f
      pushfq
      and qword ptr [rsp], ~0x100
      popfq
      dec r15d
      jnz step
      dec r11d
      jmp again
    done:`);
    const log = run(program);
    // The call, 2 + 4 * 6 + 2 instructions, then PUSHF, AND and POPF, behind which TF still traps.
    const round = log.slice(0, log.length / 40).map(({ rip }) => rip);
    expect(log.every(({ vector }) => vector === 1)).toBe(true);
    expect(round.length).toBe(1 + 28 + 3);
    expect(round.slice(0, 2)).toEqual([program.symbol('f'), program.symbol('f') + 1]);
    expect(log.map(({ rip }) => rip)).toEqual(Array.from({ length: 40 }, () => round).flat());
  });

  it('breakpoints on an instruction and on data', () => {
    const program = build(`
      ${WORK.replace(/\b(work|f|g|worked)\b/g, '$1_')}
      lea rax, [g]
      mov dr0, rax
      lea rax, [rbp + 16]
      mov dr1, rax
      mov eax, 0x00d00305 - 0x300    # L0: execution; L1: writes of 4 bytes
      mov dr7, rax
      ${WORK}
      xor eax, eax
      mov dr7, rax`);
    const log = run(program);
    const onCode = log.filter(({ rip }) => rip === program.symbol('g'));
    expect(onCode.length).toBe(60 * 4);
    // Behind the two writes of each round that touch its four bytes.
    expect(log.length - onCode.length).toBe(60 * 4 * 2);
  });

  it.each([1, 2, 3, 5, 8, 13])('interrupts, slices of %i', (slice) => {
    const program = build(`sti\n${WORK.replace('60', '200')}\ncli`);
    const results = locksteps.map(({ lockstep }) => {
      const { leader } = lockstep;
      lockstep.load(program);
      const rips = new Set<bigint>();
      // Warm, without interrupts.
      leader.vcpu.run(3000);
      while (leader.vcpu.instructions < 4500) {
        leader.interrupts.push(32);
        rips.add(leader.vcpu.registers.rip);
        leader.vcpu.run(slice);
      }
      const found = lockstep.follow();
      if (found) expect.fail(explain(found, program));
      leader.interrupts.length = 0;
      leader.finish();
      expect(leader.taken.length).toBeGreaterThan(5);
      return leader.vcpu.registers.get64('rbx');
    });
    const quiet = new Rig({ translateAfter: 0 });
    quiet.load(program);
    quiet.finish();
    for (const result of results) expect(result).toBe(quiet.vcpu.registers.get64('rbx'));
  });
});
