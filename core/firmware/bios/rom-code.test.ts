import { Code, Decoder, Mnemonic } from 'iced-x86';
import { describe, expect, it } from 'vitest';
import { assembleRom, TRAP_PORT } from './rom-code';

const rom = assembleRom();

/** Decodes from an offset until a return, as mnemonics. */
function decode(
  offset: number,
  count: number,
): { mnemonic: Mnemonic; code: Code; ip: number; target: number }[] {
  const decoder = new Decoder(16, rom.bytes.subarray(offset, offset + 256), 0);
  decoder.ip = BigInt(offset);
  const found = [];
  for (let i = 0; i < count; i++) {
    const instruction = decoder.decode();
    found.push({
      mnemonic: instruction.mnemonic,
      code: instruction.code,
      ip: Number(instruction.ip),
      target: Number(instruction.nearBranchTarget & 0xffffn),
    });
    instruction.free();
  }
  decoder.free();
  return found;
}

describe('the ROM', () => {
  it('starts at the reset vector with a far jump into segment F000h', () => {
    const [first] = decode(0xfff0, 1);
    expect(first.mnemonic).toBe(Mnemonic.Jmp);
    expect([...rom.bytes.subarray(0xfff3, 0xfff5)]).toEqual([0x00, 0xf0]);
    expect(rom.bytes[0xfffe]).toBe(0xfc);
  });

  it('has its entry points at the addresses of the IBM PC/AT', () => {
    for (const address of [
      0xe05b, 0xe3fe, 0xe6f2, 0xe739, 0xe82e, 0xe987, 0xec59, 0xf065, 0xf841, 0xf84d, 0xf859,
      0xfe6e, 0xfea5,
    ]) {
      const [first] = decode(address, 1);
      expect(first.mnemonic).toBe(Mnemonic.Jmp);
      expect(decode(first.target, 8).every(({ mnemonic }) => mnemonic !== Mnemonic.INVALID)).toBe(
        true,
      );
    }
  });

  it('traps only by OUT to the trap port, each at an address it tells', () => {
    expect(rom.traps.size).toBe(6);
    for (const offset of rom.traps) {
      expect([...rom.bytes.subarray(offset, offset + 2)]).toEqual([0xe6, TRAP_PORT]);
    }
  });

  it('points every vector below 78h but the user ones at code that returns', () => {
    for (let vector = 0; vector < 0x78; vector++) {
      expect(rom.vectors.has(vector)).toBe(vector < 0x60 || vector >= 0x68);
    }
    expect(rom.bytes[rom.dummyIret]).toBe(0xcf);
  });

  it('balances the stack of a service: the pushed word is dropped before IRET', () => {
    const [push, jump] = decode(rom.vectors.get(0x16)!, 2);
    expect(push.code).toBe(Code.Push_imm16);
    const service = decode(jump.target, 8).map(({ mnemonic }) => mnemonic);
    expect(service).toEqual([
      Mnemonic.Out,
      Mnemonic.Push,
      Mnemonic.Mov,
      Mnemonic.Cmp,
      Mnemonic.Pop,
      Mnemonic.Jne,
      Mnemonic.Add,
      Mnemonic.Iret,
    ]);
  });
});
