/**
 * PS/2 pointing device: INT 15h AH=C2h and INT 74h.
 * Specs: IBM PS/2 and PC BIOS Interface Technical Reference (1991); IBM PS/2 Mouse commands through the 8042.
 */
import type { GuestMemory, SystemBus } from '../../../hw';
import * as bda from '../bda';
import type { ServiceCall } from '../call';

const DATA = 0x60;
const STATUS = 0x64;
const COMMAND = 0x64;
const OUTPUT_FULL = 0x01;
const OUTPUT_FROM_AUX = 0x20;
const READ_COMMAND_BYTE = 0x20;
const WRITE_COMMAND_BYTE = 0x60;
const ENABLE_AUX = 0xa8;
const WRITE_AUX = 0xd4;
const DISABLE_KEYBOARD = 0xad;
const ENABLE_KEYBOARD = 0xae;
const AUX_INTERRUPT = 0x02;
const AUX_DISABLED = 0x20;
const ACK = 0xfa;
/** Reads of the status port before a device that does not answer is given up. */
const POLLS = 100;

const STATUS_OK = 0x00;
const STATUS_BAD_FUNCTION = 0x01;
const STATUS_BAD_INPUT = 0x02;
const STATUS_INTERFACE = 0x03;
const STATUS_NO_HANDLER = 0x05;
const HANDLER_INSTALLED = 0x80;
const SAMPLE_RATES = [10, 20, 40, 60, 80, 100, 200] as const;

export class PointingDevice {
  constructor(
    private readonly memory: GuestMemory,
    private readonly bus: SystemBus,
    /** Takes scan codes that were waiting in the controller when a command had to go first. */
    private readonly onScanCode: (code: number) => void = () => {},
  ) {}

  /** Empties the output buffer, so that what is read next is an answer. The keyboard is disabled. */
  private drain(): void {
    for (let i = 0; i < POLLS; i++) {
      const status = this.bus.readPort(STATUS, 1);
      if ((status & OUTPUT_FULL) === 0) return;
      const byte = this.bus.readPort(DATA, 1) & 0xff;
      if ((status & OUTPUT_FROM_AUX) === 0) this.onScanCode(byte);
    }
  }

  private readByte(): number | undefined {
    for (let i = 0; i < POLLS; i++)
      if ((this.bus.readPort(STATUS, 1) & OUTPUT_FULL) !== 0)
        return this.bus.readPort(DATA, 1) & 0xff;
    return undefined;
  }

  private commandByte(change: (value: number) => number): void {
    this.bus.writePort(COMMAND, 1, READ_COMMAND_BYTE);
    const value = this.readByte() ?? 0x45;
    this.bus.writePort(COMMAND, 1, WRITE_COMMAND_BYTE);
    this.bus.writePort(DATA, 1, change(value));
  }

  /** Sends a command with arguments; returns the `answers` bytes after the acknowledge, or undefined. Interrupts stay off meanwhile. */
  private send(bytes: readonly number[], answers = 0): number[] | undefined {
    this.bus.writePort(COMMAND, 1, DISABLE_KEYBOARD);
    this.drain();
    let interrupt = 0;
    this.commandByte((value) => {
      interrupt = value & AUX_INTERRUPT;
      return value & ~(AUX_INTERRUPT | AUX_DISABLED);
    });
    let result: number[] | undefined = [];
    for (const byte of bytes) {
      this.bus.writePort(COMMAND, 1, WRITE_AUX);
      this.bus.writePort(DATA, 1, byte);
      if (this.readByte() !== ACK) {
        result = undefined;
        break;
      }
    }
    for (let i = 0; result && i < answers; i++) {
      const byte = this.readByte();
      if (byte === undefined) result = undefined;
      else result.push(byte);
    }
    this.commandByte((value) => value | interrupt);
    this.bus.writePort(COMMAND, 1, ENABLE_KEYBOARD);
    return result;
  }

  private enableInterrupt(): void {
    this.bus.writePort(COMMAND, 1, DISABLE_KEYBOARD);
    this.drain();
    this.bus.writePort(COMMAND, 1, ENABLE_AUX);
    this.commandByte((value) => (value | AUX_INTERRUPT) & ~AUX_DISABLED);
    this.bus.writePort(COMMAND, 1, ENABLE_KEYBOARD);
    this.bus.writePort(0xa1, 1, this.bus.readPort(0xa1, 1) & ~0x10);
  }

  /** INT 15h AH=C2h. */
  handle(call: ServiceCall): void {
    const status = this.run(call);
    call.ah = status;
    call.carry = status !== STATUS_OK;
  }

  private run(call: ServiceCall): number {
    const { memory } = this;
    switch (call.al) {
      case 0x00:
        if (call.bh > 1) return STATUS_BAD_INPUT;
        if (call.bh === 1) {
          if ((memory.readU8(bda.MOUSE_FLAGS_2) & HANDLER_INSTALLED) === 0)
            return STATUS_NO_HANDLER;
          if (!this.send([0xf4])) return STATUS_INTERFACE;
          this.enableInterrupt();
          return STATUS_OK;
        }
        return this.send([0xf5]) ? STATUS_OK : STATUS_INTERFACE;
      case 0x01:
      case 0x05: {
        if (call.al === 5) {
          if (call.bh < 1 || call.bh > 8) return STATUS_BAD_INPUT;
          memory.writeU8(
            bda.MOUSE_FLAGS_2,
            (memory.readU8(bda.MOUSE_FLAGS_2) & ~7) | (call.bh - 1),
          );
        }
        memory.writeU8(bda.MOUSE_FLAGS_1, 0);
        const answer = this.send([0xff], 2);
        if (!answer) return STATUS_INTERFACE;
        if (call.al === 1) {
          call.bl = answer[0]!;
          call.bh = answer[1]!;
        }
        return STATUS_OK;
      }
      case 0x02: {
        const rate = SAMPLE_RATES[call.bh];
        if (rate === undefined) return STATUS_BAD_INPUT;
        return this.send([0xf3, rate]) ? STATUS_OK : STATUS_INTERFACE;
      }
      case 0x03:
        if (call.bh > 3) return STATUS_BAD_INPUT;
        return this.send([0xe8, call.bh]) ? STATUS_OK : STATUS_INTERFACE;
      case 0x04: {
        const answer = this.send([0xf2], 1);
        if (!answer) return STATUS_INTERFACE;
        call.bh = answer[0]!;
        return STATUS_OK;
      }
      case 0x06:
        return this.extendedCommand(call);
      case 0x07: {
        const segment = call.registers.getSegment('es').selector;
        memory.writeU16(bda.MOUSE_HANDLER, call.bx);
        memory.writeU16(bda.MOUSE_HANDLER + 2, segment);
        const flags = memory.readU8(bda.MOUSE_FLAGS_2);
        memory.writeU8(
          bda.MOUSE_FLAGS_2,
          segment === 0 && call.bx === 0 ? flags & ~HANDLER_INSTALLED : flags | HANDLER_INSTALLED,
        );
        return STATUS_OK;
      }
      default:
        return STATUS_BAD_FUNCTION;
    }
  }

  /** AL=06h: BH=0 status bytes in BL, CL, DL; 1 and 2 scaling. */
  private extendedCommand(call: ServiceCall): number {
    if (call.bh === 1 || call.bh === 2)
      return this.send([call.bh === 1 ? 0xe6 : 0xe7]) ? STATUS_OK : STATUS_INTERFACE;
    if (call.bh !== 0) return STATUS_BAD_INPUT;
    const answer = this.send([0xe9], 3);
    if (!answer) return STATUS_INTERFACE;
    [call.bl, call.cl, call.dl] = answer as [number, number, number];
    return STATUS_OK;
  }

  /** INT 74h: takes a byte; true when a packet is complete and the handler is to be called. */
  interrupt(): boolean {
    const { memory } = this;
    if ((this.bus.readPort(STATUS, 1) & OUTPUT_FULL) === 0) return false;
    const byte = this.bus.readPort(DATA, 1) & 0xff;
    const flags2 = memory.readU8(bda.MOUSE_FLAGS_2);
    if ((flags2 & HANDLER_INSTALLED) === 0) return false;
    const index = memory.readU8(bda.MOUSE_FLAGS_1) & 7;
    const size = (flags2 & 7) + 1;
    memory.writeU8(bda.MOUSE_PACKET + index, byte);
    if (index + 1 < size) {
      memory.writeU8(bda.MOUSE_FLAGS_1, index + 1);
      return false;
    }
    memory.writeU8(bda.MOUSE_FLAGS_1, 0);
    for (let i = 0; i < 3; i++)
      memory.writeU16(bda.MOUSE_CALL + i * 2, memory.readU8(bda.MOUSE_PACKET + i));
    memory.writeU16(bda.MOUSE_CALL + 6, 0);
    return true;
  }
}
