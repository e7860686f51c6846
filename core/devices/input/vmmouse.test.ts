import { describe, expect, it } from 'vitest';
import type { RegisterAccess } from '../../hw';
import { VmMouse } from './vmmouse';

function rig() {
  const registers: Record<string, number> = {};
  let pokes = 0;
  const access = {
    get32: (name: string) => registers[name] ?? 0,
    set32: (name: string, value: number) => void (registers[name] = value),
  } as unknown as RegisterAccess;
  const mouse = new VmMouse({ registers: () => access, poke: () => pokes++ });
  const call = (command: number, argument: number): number => {
    Object.assign(registers, { rax: 0x564d5868, rbx: argument, rcx: command, rdx: 0x5658 });
    return mouse.readPort(0, 4) >>> 0;
  };
  return { registers, mouse, call, pokes: () => pokes };
}

describe('VmMouse', () => {
  it('goes through the enable sequence of the Linux driver and reports positions', () => {
    const { registers, mouse, call, pokes } = rig();
    expect(mouse.absolute(1, 1, 0, 0)).toBe(false);
    expect(call(10, 0)).toBe(6);
    expect(registers['rbx']).toBe(0x564d5868);
    call(41, 0x45414552);
    expect(call(40, 0)).toBe(1);
    expect(call(39, 1)).toBe(0x3442554a);
    call(86, 1);
    call(41, 0x53424152);
    expect(mouse.absolute(32767, 0, 1, 1)).toBe(true);
    expect(pokes()).toBe(1);
    expect(call(40, 0)).toBe(4);
    expect(call(39, 4)).toBe(0x20);
    expect([registers['rbx'], registers['rcx'], registers['rdx']]).toEqual([0xffff, 0, 0xffffffff]);
    expect(call(40, 0)).toBe(0);
  });

  it('reports an error for a bad read and ignores calls without the magic', () => {
    const { registers, mouse, call } = rig();
    expect(call(39, 4)).toBe(0xffff0000);
    expect(call(40, 0)).toBe(0xffff0000);
    Object.assign(registers, { rax: 7, rcx: 10 });
    expect(mouse.readPort(0, 4)).toBe(7);
    expect(mouse.readPort(0, 1)).toBe(0xff);
  });

  it('drops the oldest positions when nobody reads', () => {
    const { mouse, call } = rig();
    call(41, 0x45414552);
    call(39, 1);
    call(41, 0x53424152);
    for (let i = 0; i < 1000; i++) mouse.absolute(i, i, 0, 0);
    expect(call(40, 0)).toBe(1024);
  });
});
