/** HLT, what ends it, and when interrupts are let in: one that was there before the halt began must not wait for the next one. */
import { beforeEach, describe, expect, it } from 'vitest';
import { assemble } from './assemble';
import { CONSTANTS, Rig } from './rig';

const HANDLER = `
  vector32: inc rbx
    iretq
`;
const rig = new Rig({
  translateAfter: 100,
  writePort: () => {
    rig.interrupts.push(32);
    rig.vcpu.kick();
  },
});
const program = (text: string) => assemble(`${CONSTANTS}${text}\nhlt\n${HANDLER}`, 0x100000);
const taken = () => rig.vcpu.registers.get32('rbx');

describe('HLT and interrupts', () => {
  beforeEach(() => expect(rig.interrupts).toEqual([]));

  it('waits for an interrupt, and again after it', () => {
    rig.load(program('sti; hlt; hlt'));
    expect(rig.vcpu.run(1000)).toBe('halted');
    expect(rig.vcpu.run(1000)).toBe('halted');
    rig.interrupts.push(32);
    // STI held interrupts back for one instruction, which was the HLT.
    expect(rig.vcpu.run(1000)).toBe('halted');
    expect(taken()).toBe(1);
    expect(rig.vcpu.registers.rip).toBe(0x100003n);
  });

  it('does not wait when the interrupt came while they were disabled (SDM 2B, STI)', () => {
    rig.load(program('sti; hlt; mov ecx, 1; hlt'));
    rig.interrupts.push(32);
    expect(rig.vcpu.run(1000)).toBe('halted');
    expect(taken()).toBe(1);
    expect(rig.vcpu.registers.get32('rcx')).toBe(1);
  });

  it('does not wait when the instruction before made a device interrupt', () => {
    rig.load(program('sti; nop; out 0x80, al; hlt; mov ecx, 1; hlt'));
    while (rig.vcpu.run(1000) !== 'halted');
    expect(taken()).toBe(1);
    expect(rig.vcpu.registers.get32('rcx')).toBe(1);
  });

  it('waits with interrupts disabled, whatever is pending, but not for an NMI', () => {
    rig.load(program('cli; hlt; mov ecx, 1; hlt\n vector2: inc rbx; iretq'));
    rig.interrupts.push(32);
    expect(rig.vcpu.run(1000)).toBe('halted');
    expect([taken(), rig.vcpu.registers.get32('rcx')]).toEqual([0, 0]);
    rig.vcpu.nonMaskableInterrupt();
    while (rig.vcpu.run(1000) !== 'halted');
    expect([taken(), rig.vcpu.registers.get32('rcx')]).toEqual([1, 1]);
    rig.interrupts.length = 0;
  });

  it.each([
    ['CLI', 'cli', 1],
    ['CLI, translated', 'cli', 300],
    ['POPF', 'push rdx; popfq', 1],
    ['POPF, translated', 'push rdx; popfq', 300],
  ])('an interrupt finds the window between STI and %s', (name, close, rounds) => {
    const loop = `1: sti; nop; nop; ${close}; loop 1b`;
    rig.load(program(`cli; pushfq; pop rdx; mov ecx, ${rounds}\n${loop}`));
    while (rig.vcpu.registers.get32('rcx') > 1) rig.vcpu.run(1);
    rig.interrupts.push(32);
    rig.vcpu.kick();
    while (rig.vcpu.run(1000) !== 'halted');
    expect(taken(), name).toBe(1);
  });

  it('tells the next instruction when nothing runs', () => {
    rig.load(program('nop; hlt'));
    expect(rig.vcpu.run(1000)).toBe('halted');
    expect(rig.vcpu.registers.rip).toBe(0x100002n);
  });
});
