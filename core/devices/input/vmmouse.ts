/**
 * VMware backdoor (port 5658h) with its absolute pointer, which unmodified Linux drivers (psmouse/vmmouse) use.
 * Document: VMware backdoor and VMMouse protocol as in open-vm-tools `backdoor_def.h` and Linux
 * `drivers/input/mouse/vmmouse.c`.
 * Scope: GETVERSION, ABSPOINTER_DATA, _STATUS, _COMMAND, _RESTRICT. Missing: every other backdoor command; the
 * registers then stay as they were, as on a host that does not know it.
 *
 * The port's arguments are in registers: EAX magic, EBX argument, ECX command, and results come back in EAX to EDX.
 */
import { cloneState } from '../../base';
import type { AccessWidth, Device, PortIo, RegisterAccess, ResetKind } from '../../hw';

const MAGIC = 0x564d5868;
const GETVERSION = 10;
const ABSPOINTER_DATA = 39;
const ABSPOINTER_STATUS = 40;
const ABSPOINTER_COMMAND = 41;
const ABSPOINTER_RESTRICT = 86;

const COMMAND_ENABLE = 0x45414552;
const COMMAND_DISABLE = 0x000000f5;
const COMMAND_ABSOLUTE = 0x53424152;
const COMMAND_RELATIVE = 0x4c455252;
const VERSION_ID = 0x3442554a;
const STATUS_ERROR = 0xffff0000;

const BUTTON_LEFT = 0x20;
const BUTTON_RIGHT = 0x10;
const BUTTON_MIDDLE = 0x08;

/** Words kept for the guest (QEMU and VMware keep 1024): 256 packets. Older ones are dropped as a whole. */
const QUEUE_WORDS = 1024;
const PACKET_WORDS = 4;

export interface VmMouseState {
  version: 1;
  enabled: boolean;
  absolute: boolean;
  failed: boolean;
  queue: number[];
}

export interface VmMouseCapabilities {
  /** Registers of the processor that executes the IN. */
  registers(): RegisterAccess | undefined;
  /** Sends an empty PS/2 mouse packet so that the guest's driver reads the port. */
  poke(): void;
}

export class VmMouse implements Device<VmMouseState>, PortIo {
  readonly id = 'vmmouse';
  private s: VmMouseState = powerOn();

  constructor(private readonly wires: VmMouseCapabilities) {}

  reset(_kind: ResetKind): void {
    this.s = powerOn();
  }

  save(): VmMouseState {
    return cloneState(this.s);
  }

  restore(state: VmMouseState): void {
    this.s = cloneState(state);
  }

  /** Position 0..32767 on both axes. False when the guest has not enabled absolute mode. */
  absolute(x: number, y: number, wheel: number, buttons: number): boolean {
    const { s } = this;
    if (!s.enabled || !s.absolute) return false;
    const flags =
      (buttons & 1 ? BUTTON_LEFT : 0) |
      (buttons & 2 ? BUTTON_RIGHT : 0) |
      (buttons & 4 ? BUTTON_MIDDLE : 0);
    if (s.queue.length + PACKET_WORDS > QUEUE_WORDS) s.queue.splice(0, PACKET_WORDS);
    s.queue.push(flags, scale(x), scale(y), -Math.trunc(wheel) >>> 0);
    this.wires.poke();
    return true;
  }

  readPort(_offset: number, width: AccessWidth): number {
    const registers = width === 4 ? this.wires.registers() : undefined;
    if (!registers) return width === 4 ? 0xffffffff : (1 << (8 * width)) - 1;
    const eax = registers.get32('rax');
    if (eax !== MAGIC) return eax;
    switch (registers.get32('rcx') & 0xffff) {
      case GETVERSION:
        registers.set32('rbx', MAGIC);
        return 6;
      case ABSPOINTER_DATA:
        return this.readData(registers);
      case ABSPOINTER_STATUS:
        return this.s.failed ? STATUS_ERROR : this.s.queue.length;
      case ABSPOINTER_COMMAND:
        this.command(registers.get32('rbx'));
        return eax;
      case ABSPOINTER_RESTRICT:
        return eax;
      default:
        return eax;
    }
  }

  writePort(_offset: number, _width: AccessWidth, _value: number): void {}

  private readData(registers: RegisterAccess): number {
    const { s } = this;
    const count = registers.get32('rbx');
    if (count === 0 || count > PACKET_WORDS || count > s.queue.length) {
      s.failed = true;
      s.queue.length = 0;
      return STATUS_ERROR;
    }
    const words = s.queue.splice(0, count);
    if (count > 1) registers.set32('rbx', words[1]);
    if (count > 2) registers.set32('rcx', words[2]);
    if (count > 3) registers.set32('rdx', words[3]);
    return words[0];
  }

  private command(value: number): void {
    const { s } = this;
    switch (value) {
      case COMMAND_ENABLE:
        s.enabled = true;
        s.failed = false;
        s.queue = [VERSION_ID];
        break;
      case COMMAND_DISABLE:
        s.enabled = false;
        s.absolute = false;
        s.queue = [];
        s.failed = true;
        break;
      case COMMAND_ABSOLUTE:
        s.absolute = true;
        break;
      case COMMAND_RELATIVE:
        s.absolute = false;
        break;
      default:
        break;
    }
  }
}

/** 0..32767 to the 0..65535 of the protocol. */
function scale(value: number): number {
  const v = Math.max(0, Math.min(32_767, Math.trunc(value) || 0));
  return (v << 1) | (v >> 14);
}

function powerOn(): VmMouseState {
  return { version: 1, enabled: false, absolute: false, failed: false, queue: [] };
}
