/**
 * The machine code of our BIOS (segment F000h): entry points at the addresses of the IBM PC/AT BIOS, interrupt
 * service stubs that trap into the services, hardware interrupt handlers, the reset vector.
 *
 * A trap is `push word service; out TRAP_PORT, al`. The handler may change general registers, memory and the
 * stack's flags image, and leaves in the high byte of the pushed word what the ROM shall do next. It never
 * changes CS:IP: when control goes elsewhere it has put the address into an IRET frame.
 */
import { EBDA_BASE } from '../memory-map';
import { Assembler } from './assembler';
import * as bda from './bda';

/** Unused by the PIIX3/PIIX4 and by guests' probes. */
export const TRAP_PORT = 0xbe;

/** What the service word's high byte asks the ROM to do. */
export const DONE = 0;
/** Sleep until an interrupt, then trap again. */
export const WAIT = 1;
/** Let interrupts in, then trap again at once. */
export const SPIN = 2;
/** INT 09h: call INT 1Bh, call INT 05h, reset the machine, call INT 15h AH=85h. */
export const KEY_BREAK = 1;
export const KEY_PRINT_SCREEN = 2;
export const KEY_RESET = 3;
export const KEY_SYSTEM = 4;
/** INT 70h: call INT 4Ah. INT 74h: call the pointing device handler. */
export const CALL_USER = 1;

/** Service numbers: an interrupt's own number, or one of these. */
export const SERVICE_POST = 0xa0;
export const SERVICE_TICK = 0x88;
export const SERVICE_KEY = 0x89;
export const SERVICE_RTC = 0xf0;
export const SERVICE_MOUSE = 0xf4;
/** PXE API by the entry of !PXE (function and parameters on the stack) and of PXENV+ (in BX and ES:DI). */
export const SERVICE_PXE = 0xf8;
export const SERVICE_PXENV = 0xf9;

export const ROM_SEGMENT = 0xf000;
const EOI = 0x20;
const PIC1 = 0x20;
const PIC2 = 0xa0;

/** Interrupts that are services, with their IBM-compatible entry addresses where there is one. */
const SERVICES: readonly (readonly [vector: number, entry: number | null])[] = [
  [0x10, 0xf045 + 0x20],
  [0x11, 0xf84d],
  [0x12, 0xf841],
  [0x13, 0xe3fe],
  [0x14, 0xe739],
  [0x15, 0xf859],
  [0x16, 0xe82e],
  [0x17, 0xefd2],
  [0x1a, 0xfe6e],
  [0x40, 0xec59],
];

export interface RomCode {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Interrupt vectors to install: vector to offset in F000h. */
  readonly vectors: ReadonlyMap<number, number>;
  /** Offsets of the trapping OUT instructions: no other address may call the services. */
  readonly traps: ReadonlySet<number>;
  readonly bootEntry: number;
  readonly disketteTable: number;
  readonly configurationTable: number;
  readonly dummyIret: number;
  /** Far entries of the PXE API, and where a network boot program returns to: the next boot device. */
  readonly pxeEntry: number;
  readonly pxenvEntry: number;
  readonly bootNext: number;
}

/** Sets flags as "service word's action == value": the word is on top of the stack, at `depth` bytes. */
function compareAction(a: Assembler, value: number): void {
  a.push('bp').mov('bp', 'sp').cmpByteBp(3, value).pop('bp');
}

export function assembleRom(): RomCode {
  const a = new Assembler(0x10000);
  const traps = new Set<number>();
  const vectors = new Map<number, number>();
  const trap = (): void => {
    traps.add(a.at);
    a.outAl(TRAP_PORT);
  };

  a.org(0x8000).label('service');
  trap();
  compareAction(a, DONE);
  a.j('ne', 'serviceNotDone').label('serviceDone').addSp(2).iret();
  a.label('serviceNotDone');
  compareAction(a, WAIT);
  a.j('ne', 'serviceSpin').sti().hlt().cli().jmp('service');
  // Interrupts get in between the jumps: behind STI at the earliest (SDM 2B), and at the end of a block (core/cpu).
  a.label('serviceSpin').sti().jmp('serviceSpin2').label('serviceSpin2').jmp('serviceSpin3');
  a.label('serviceSpin3').cli().jmp('service');

  for (const [vector] of SERVICES)
    a.label(`int${vector.toString(16)}`)
      .pushImm16(vector)
      .jmp('service');

  // INT 08h: system timer.
  a.label('int8').push('ax').push('dx').push('ds').pushImm16(SERVICE_TICK);
  trap();
  a.addSp(2).int(0x1c).cli().movImm8('al', EOI).outAl(PIC1).pop('ds').pop('dx').pop('ax').iret();

  // INT 09h: keyboard. INT 15h AH=4Fh may swallow or change the scan code.
  a.label('int9').push('ax').inAl(0x60).movImm8('ah', 0x4f).stc().int(0x15).j('nc', 'int9Eoi');
  a.pushImm16(SERVICE_KEY);
  trap();
  compareAction(a, DONE);
  a.j('e', 'int9Done');
  compareAction(a, KEY_BREAK);
  a.j('e', 'int9Break');
  compareAction(a, KEY_PRINT_SCREEN);
  a.j('e', 'int9Print');
  compareAction(a, KEY_SYSTEM);
  a.j('e', 'int9System');
  a.movImm8('al', 0xfe).outAl(0x64).label('int9Halt').cli().hlt().jmp('int9Halt');
  a.label('int9Break').int(0x1b).jmp('int9Done');
  a.label('int9Print').movImm8('al', EOI).outAl(PIC1).int(0x05).addSp(2).pop('ax').iret();
  a.label('int9System').int(0x15);
  a.label('int9Done').addSp(2);
  a.label('int9Eoi').cli().movImm8('al', EOI).outAl(PIC1).pop('ax').iret();

  // INT 70h: real-time clock.
  a.label('int70').push('ax').pushImm16(SERVICE_RTC);
  trap();
  compareAction(a, CALL_USER);
  a.j('ne', 'int70Eoi').int(0x4a).cli();
  a.label('int70Eoi').addSp(2).movImm8('al', EOI).outAl(PIC2).outAl(PIC1).pop('ax').iret();

  // INT 74h: pointing device. The handler is far-called with four words, status deepest.
  a.label('int74').pusha().push('ds').push('es').pushImm16(SERVICE_MOUSE);
  trap();
  compareAction(a, CALL_USER);
  a.j('ne', 'int74Eoi')
    .movImm16('ax', EBDA_BASE >> 4)
    .movSegment('ds', 'ax');
  for (let word = 0; word < 4; word++) a.pushWordAt(bda.MOUSE_CALL - EBDA_BASE + word * 2);
  a.callFarAt(bda.MOUSE_HANDLER - EBDA_BASE)
    .addSp(8)
    .cli();
  a.label('int74Eoi')
    .addSp(2)
    .movImm8('al', EOI)
    .outAl(PIC2)
    .outAl(PIC1)
    .pop('es')
    .pop('ds')
    .popa()
    .iret();

  // Hardware interrupts nobody handles: acknowledge and mask nothing (spurious IRQ 7 and 15 have no ISR bit set).
  a.label('irqMaster').push('ax').movImm8('al', EOI).outAl(PIC1).pop('ax').iret();
  a.label('irqSlave').push('ax').movImm8('al', EOI).outAl(PIC2).outAl(PIC1).pop('ax').iret();
  // INT 75h: coprocessor error: clear FERR#, acknowledge, go on as NMI (AT compatibility).
  a.label('int75')
    .push('ax')
    .xor('ax', 'ax')
    .outAl(0xf0)
    .movImm8('al', EOI)
    .outAl(PIC2)
    .outAl(PIC1)
    .pop('ax')
    .int(0x02)
    .iret();

  // INT 19h boots from the first device, INT 18h from the next one; on a stack of our own. The handler fills the IRET frame.
  a.label('int18').cli().movImm16('bx', 0x18).jmp('boot');
  a.label('int19').cli().movImm16('bx', 0x19);
  a.label('boot').cld().xor('ax', 'ax').movSegment('ds', 'ax').movSegment('es', 'ax');
  a.movSegment('ss', 'ax')
    .movImm16('sp', 0x7c00)
    .pushImm16(0x0202)
    .push('ax')
    .push('ax')
    .push('bx')
    .jmp('service');

  // Power-on and reset. POST leaves in the frame where to go: INT 19h, or a shutdown address of CMOS 0Fh.
  a.label('post').cli().cld().xor('ax', 'ax').movSegment('ss', 'ax').movImm16('sp', 0x7000);
  a.pushImm16(0x0002)
    .pushImm16(ROM_SEGMENT)
    .db(0x68)
    .dwLabel('int19')
    .pushImm16(SERVICE_POST)
    .jmp('service');

  // PXE API, far-called. The stack below the service word: FLAGS, IP, CS, and the caller's own.
  a.label('pxe').pushf().pushImm16(SERVICE_PXE).jmp('pxeService');
  a.label('pxenv').pushf().pushImm16(SERVICE_PXENV);
  a.label('pxeService');
  trap();
  compareAction(a, DONE);
  a.j('ne', 'pxeNotDone').addSp(2).popf().retf();
  a.label('pxeNotDone');
  compareAction(a, WAIT);
  a.j('ne', 'pxeSpin').sti().hlt().cli().jmp('pxeService');
  a.label('pxeSpin').sti().jmp('pxeSpin2').label('pxeSpin2').jmp('pxeSpin3');
  a.label('pxeSpin3').cli().jmp('pxeService');

  a.label('configurationTable').dw(8).db(0xfc, 0x00, 0x01, 0x74, 0x40, 0x00, 0x00, 0x00);

  // IBM-compatible addresses.
  a.org(0xe05b).jmp('post');
  a.org(0xe2c3).label('int2').iret();
  a.org(0xe6f2).jmp('int19');
  a.org(0xe6f5).dw(8).db(0xfc, 0x00, 0x01, 0x74, 0x40, 0x00, 0x00, 0x00);
  a.org(0xe987).jmp('int9');
  a.org(0xef57).label('int0e').jmp('irqMaster');
  // Diskette parameter table, INT 1Eh (1.44 MB).
  a.org(0xefc7)
    .label('disketteTable')
    .db(0xaf, 0x02, 0x25, 0x02, 18, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 0x08);
  for (const [vector, entry] of SERVICES)
    if (entry !== null) a.org(entry).jmp(`int${vector.toString(16)}`);
  a.org(0xfea5).jmp('int8');
  a.org(0xff53).label('dummyIret').iret();
  a.org(0xff54).label('int5').iret();
  a.org(0xfff0).jmpFar(ROM_SEGMENT, 'post').text('01/01/26');
  a.org(0xfffe).db(0xfc);

  for (let vector = 0; vector < 0x78; vector++) vectors.set(vector, a.offsetOf('dummyIret'));
  for (let vector = 0x60; vector < 0x68; vector++) vectors.delete(vector);
  for (const [vector] of SERVICES) vectors.set(vector, a.offsetOf(`int${vector.toString(16)}`));
  for (let vector = 0x0a; vector <= 0x0f; vector++) vectors.set(vector, a.offsetOf('irqMaster'));
  for (let vector = 0x70; vector <= 0x77; vector++) vectors.set(vector, a.offsetOf('irqSlave'));
  vectors.set(0x02, a.offsetOf('int2'));
  vectors.set(0x05, a.offsetOf('int5'));
  for (const vector of [0x08, 0x09, 0x18, 0x19, 0x70, 0x74, 0x75])
    vectors.set(vector, a.offsetOf(`int${vector.toString(16)}`));
  const disketteTable = a.offsetOf('disketteTable');
  vectors.set(0x1e, disketteTable);

  return {
    bytes: a.build(),
    vectors,
    traps,
    bootEntry: a.offsetOf('int19'),
    disketteTable,
    configurationTable: 0xe6f5,
    dummyIret: a.offsetOf('dummyIret'),
    pxeEntry: a.offsetOf('pxe'),
    pxenvEntry: a.offsetOf('pxenv'),
    bootNext: a.offsetOf('int18'),
  };
}
