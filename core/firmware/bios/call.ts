/**
 * One call of a BIOS service: the interrupted program's registers, its flags image on the stack, what the ROM does next.
 * Stack at the trap, from the top: service word, IP, CS, FLAGS.
 */
import type { GprName, RegisterAccess, SegmentName } from '../../hw';
import type { BiosMemory } from './memory';

export const FLAG_CARRY = 0x0001;
export const FLAG_ZERO = 0x0040;
const STACK_32 = 1 << 14;

export class ServiceCall {
  /** Linear address of the service word. */
  private stack = 0;

  constructor(
    readonly registers: RegisterAccess,
    readonly memory: BiosMemory,
  ) {}

  /** Looks at the stack anew: at the start of every trap. */
  begin(): { service: number; action: number } {
    const ss = this.registers.getSegment('ss');
    const sp = this.registers.get32('rsp');
    this.stack =
      (Number(ss.base & 0xffff_ffffn) + ((ss.access & STACK_32) !== 0 ? sp : sp & 0xffff)) >>> 0;
    return { service: this.memory.readU8(this.stack), action: this.memory.readU8(this.stack + 1) };
  }

  /** A word of the stack, in bytes above the service word. */
  stackWord(offset: number): number {
    return this.memory.readU16(this.stack + offset);
  }

  /** What the ROM shall do after the trap; one of its action numbers. */
  set action(value: number) {
    this.memory.writeU8(this.stack + 1, value);
  }

  /** The FLAGS image that IRET loads. */
  get flags(): number {
    return this.memory.readU16(this.stack + 6);
  }

  set flags(value: number) {
    this.memory.writeU16(this.stack + 6, value);
  }

  set carry(on: boolean) {
    this.flags = on ? this.flags | FLAG_CARRY : this.flags & ~FLAG_CARRY;
  }

  set zero(on: boolean) {
    this.flags = on ? this.flags | FLAG_ZERO : this.flags & ~FLAG_ZERO;
  }

  /** Where IRET goes. */
  setReturn(segment: number, offset: number, flags: number): void {
    this.memory.writeU16(this.stack + 2, offset);
    this.memory.writeU16(this.stack + 4, segment);
    this.memory.writeU16(this.stack + 6, flags);
  }

  /** Linear address of segment:offset, the offset wrapping at 64 KiB. */
  linear(segment: SegmentName, offset: number): number {
    return (
      (Number(this.registers.getSegment(segment).base & 0xffff_ffffn) + (offset & 0xffff)) >>> 0
    );
  }

  /** Loads a real-mode segment register. */
  setSegment(name: SegmentName, selector: number): void {
    const old = this.registers.getSegment(name);
    this.registers.setSegment(name, { ...old, selector, base: BigInt(selector * 16) });
  }

  private low(name: GprName): number {
    return this.registers.get32(name) & 0xffff;
  }

  private high8(name: GprName, value: number): void {
    this.registers.set16(name, ((value & 0xff) << 8) | (this.low(name) & 0xff));
  }

  get ax(): number {
    return this.low('rax');
  }
  set ax(v: number) {
    this.registers.set16('rax', v & 0xffff);
  }
  get al(): number {
    return this.low('rax') & 0xff;
  }
  set al(v: number) {
    this.registers.set8('rax', v & 0xff);
  }
  get ah(): number {
    return this.low('rax') >> 8;
  }
  set ah(v: number) {
    this.high8('rax', v);
  }
  get bx(): number {
    return this.low('rbx');
  }
  set bx(v: number) {
    this.registers.set16('rbx', v & 0xffff);
  }
  get bl(): number {
    return this.low('rbx') & 0xff;
  }
  set bl(v: number) {
    this.registers.set8('rbx', v & 0xff);
  }
  get bh(): number {
    return this.low('rbx') >> 8;
  }
  set bh(v: number) {
    this.high8('rbx', v);
  }
  get cx(): number {
    return this.low('rcx');
  }
  set cx(v: number) {
    this.registers.set16('rcx', v & 0xffff);
  }
  get cl(): number {
    return this.low('rcx') & 0xff;
  }
  set cl(v: number) {
    this.registers.set8('rcx', v & 0xff);
  }
  get ch(): number {
    return this.low('rcx') >> 8;
  }
  set ch(v: number) {
    this.high8('rcx', v);
  }
  get dx(): number {
    return this.low('rdx');
  }
  set dx(v: number) {
    this.registers.set16('rdx', v & 0xffff);
  }
  get dl(): number {
    return this.low('rdx') & 0xff;
  }
  set dl(v: number) {
    this.registers.set8('rdx', v & 0xff);
  }
  get dh(): number {
    return this.low('rdx') >> 8;
  }
  set dh(v: number) {
    this.high8('rdx', v);
  }
  get si(): number {
    return this.low('rsi');
  }
  set si(v: number) {
    this.registers.set16('rsi', v & 0xffff);
  }
  get di(): number {
    return this.low('rdi');
  }
  set di(v: number) {
    this.registers.set16('rdi', v & 0xffff);
  }
  get bp(): number {
    return this.low('rbp');
  }
  set bp(v: number) {
    this.registers.set16('rbp', v & 0xffff);
  }
}
