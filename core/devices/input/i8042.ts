/**
 * 8042 keyboard controller with auxiliary (mouse) port, as in the PS/2 and later.
 * Documents: IBM PS/2 Hardware Interface Technical Reference (1988), "Keyboard and Auxiliary Device Controller";
 * Intel 8242 290455.
 * Scope: all PS/2 commands, scan code translation, internal RAM, A20 and reset outputs, IRQ1 and IRQ12.
 * Missing: MCA password commands, keyboard lock, serial-line timing and parity errors.
 */
import { cloneState } from '../../base';
import type { AccessWidth, Device, IrqLine, PortIo, ResetKind } from '../../hw';
import { TRANSLATE_SET_2_TO_1 } from './scancodes';

// Status register (port 64h read).
const STATUS_OBF = 0x01;
const STATUS_SYSTEM = 0x04;
const STATUS_COMMAND = 0x08;
const STATUS_UNLOCKED = 0x10;
const STATUS_AUX_OBF = 0x20;

// Command byte (RAM byte 0).
const MODE_KBD_INT = 0x01;
const MODE_AUX_INT = 0x02;
const MODE_SYSTEM = 0x04;
const MODE_DISABLE_KBD = 0x10;
const MODE_DISABLE_AUX = 0x20;
const MODE_TRANSLATE = 0x40;

const OUT_RESET = 0x01;
const OUT_A20 = 0x02;
const OUT_KBD_IRQ = 0x10;
const OUT_AUX_IRQ = 0x20;

/** A device on one of the two serial ports. */
export interface Ps2Device {
  /** A byte from the host. */
  receive(value: number): void;
  /** Next byte for the host, or -1. */
  transmit(): number;
  hasData(): boolean;
  /** Set by the controller: data may have become available. */
  onData: () => void;
}

export interface I8042State {
  version: 1;
  status: number;
  outputBuffer: number;
  /** RAM of the controller; byte 0 is the command byte. */
  ram: Uint8Array;
  outputPort: number;
  /** Command that waits for its data byte, or 0. */
  command: number;
  /** Replies of the controller itself, waiting for the output buffer: value | 100h for the auxiliary side. */
  replies: number[];
  translateBreak: boolean;
}

export interface I8042Capabilities {
  keyboard: Ps2Device;
  mouse: Ps2Device;
  /** IRQ1 and IRQ12. */
  keyboardIrq: IrqLine;
  mouseIrq: IrqLine;
  onA20(enabled: boolean): void;
  onReset(): void;
}

export class I8042 implements Device<I8042State> {
  readonly id = 'i8042';
  private s: I8042State = powerOn();

  constructor(private readonly wires: I8042Capabilities) {
    wires.keyboard.onData = () => this.pump();
    wires.mouse.onData = () => this.pump();
  }

  reset(_kind: ResetKind): void {
    this.s = powerOn();
    this.updateIrq();
    this.wires.onA20(true);
  }

  save(): I8042State {
    return cloneState(this.s);
  }

  restore(state: I8042State): void {
    this.s = cloneState(state);
    this.wires.onA20((this.s.outputPort & OUT_A20) !== 0);
    this.updateIrq();
  }

  /** Port 92h and the controller share the A20 gate. */
  setA20(enabled: boolean): void {
    this.s.outputPort = enabled ? this.s.outputPort | OUT_A20 : this.s.outputPort & ~OUT_A20;
  }

  /** Port 60h. */
  readonly data: PortIo = {
    readPort: () => this.readData(),
    writePort: (_offset: number, _width: AccessWidth, value: number) =>
      this.writeData(value & 0xff),
  };

  /** Port 64h. */
  readonly command: PortIo = {
    readPort: () => this.s.status,
    writePort: (_offset: number, _width: AccessWidth, value: number) =>
      this.writeCommand(value & 0xff),
  };

  private readData(): number {
    const value = this.s.outputBuffer;
    if (this.s.status & STATUS_OBF) {
      this.s.status &= ~(STATUS_OBF | STATUS_AUX_OBF);
      this.updateIrq();
      this.pump();
    }
    return value;
  }

  private writeData(value: number): void {
    const { s, wires } = this;
    s.status &= ~STATUS_COMMAND;
    const command = s.command;
    s.command = 0;
    if (command >= 0x60 && command <= 0x7f) {
      s.ram[command & 0x1f] = value;
      if (command === 0x60) this.commandByteChanged();
      return;
    }
    switch (command) {
      case 0xd1:
        this.writeOutputPort(value);
        break;
      case 0xd2:
        this.reply(value);
        break;
      case 0xd3:
        this.reply(value | 0x100);
        break;
      case 0xd4:
        // Sending to a device enables its clock line.
        s.ram[0] &= ~MODE_DISABLE_AUX;
        wires.mouse.receive(value);
        break;
      default:
        s.ram[0] &= ~MODE_DISABLE_KBD;
        wires.keyboard.receive(value);
        break;
    }
    this.pump();
  }

  private writeCommand(value: number): void {
    const { s } = this;
    s.status |= STATUS_COMMAND;
    s.command = 0;
    if (value >= 0x20 && value <= 0x3f) {
      this.reply(s.ram[value & 0x1f]);
      return;
    }
    if ((value >= 0x60 && value <= 0x7f) || (value >= 0xd1 && value <= 0xd4)) {
      s.command = value;
      return;
    }
    if (value >= 0xf0) {
      // Pulses low the output port bits whose mask bit is 0; bit 0 is the processor's reset.
      if (!(value & OUT_RESET)) this.wires.onReset();
      return;
    }
    this.simpleCommand(value);
  }

  private simpleCommand(value: number): void {
    const { s } = this;
    switch (value) {
      case 0xa7:
        s.ram[0] |= MODE_DISABLE_AUX;
        break;
      case 0xa8:
        s.ram[0] &= ~MODE_DISABLE_AUX;
        this.pump();
        break;
      case 0xa9:
        this.reply(0x00);
        break;
      case 0xaa:
        s.status |= STATUS_SYSTEM;
        s.ram[0] |= MODE_SYSTEM;
        this.reply(0x55);
        break;
      case 0xab:
        this.reply(0x00);
        break;
      case 0xad:
        s.ram[0] |= MODE_DISABLE_KBD;
        break;
      case 0xae:
        s.ram[0] &= ~MODE_DISABLE_KBD;
        this.pump();
        break;
      case 0xc0:
        // Keyboard not inhibited, manufacturing jumper not installed, 256K planar RAM.
        this.reply(0xb0);
        break;
      case 0xd0:
        this.reply(this.readOutputPort());
        break;
      case 0xdd:
        this.writeOutputPort(s.outputPort & ~OUT_A20);
        break;
      case 0xdf:
        this.writeOutputPort(s.outputPort | OUT_A20);
        break;
      default:
        break;
    }
  }

  private commandByteChanged(): void {
    const { s } = this;
    s.status = (s.status & ~STATUS_SYSTEM) | (s.ram[0] & MODE_SYSTEM ? STATUS_SYSTEM : 0);
    this.updateIrq();
    this.pump();
  }

  private readOutputPort(): number {
    const { s } = this;
    const full = (s.status & STATUS_OBF) !== 0;
    const aux = (s.status & STATUS_AUX_OBF) !== 0;
    return (
      (s.outputPort & (OUT_RESET | OUT_A20 | 0xcc)) |
      (full && !aux ? OUT_KBD_IRQ : 0) |
      (full && aux ? OUT_AUX_IRQ : 0)
    );
  }

  private writeOutputPort(value: number): void {
    const changed = value ^ this.s.outputPort;
    this.s.outputPort = value;
    if (changed & OUT_A20) this.wires.onA20((value & OUT_A20) !== 0);
    if (!(value & OUT_RESET)) this.wires.onReset();
  }

  private reply(value: number): void {
    // A guest that never reads must not grow the queue; the chip has room for one.
    if (this.s.replies.length < 16) this.s.replies.push(value);
    this.pump();
  }

  /** Fills the output buffer: controller replies first, then keyboard, then mouse. */
  private pump(): void {
    const { s, wires } = this;
    if (s.status & STATUS_OBF) return;
    const reply = s.replies.shift();
    if (reply !== undefined) {
      this.fill(reply & 0xff, reply > 0xff);
      return;
    }
    while (!(s.ram[0] & MODE_DISABLE_KBD) && wires.keyboard.hasData()) {
      const value = this.translate(wires.keyboard.transmit());
      if (value < 0) continue;
      this.fill(value, false);
      return;
    }
    if (!(s.ram[0] & MODE_DISABLE_AUX) && wires.mouse.hasData())
      this.fill(wires.mouse.transmit(), true);
  }

  /** Set 2 to set 1; -1 while a break prefix waits for its code. */
  private translate(value: number): number {
    const { s } = this;
    if (!(s.ram[0] & MODE_TRANSLATE)) return value;
    if (value === 0xf0) {
      s.translateBreak = true;
      return -1;
    }
    const code = TRANSLATE_SET_2_TO_1[value] ?? value;
    const broken = s.translateBreak ? code | 0x80 : code;
    s.translateBreak = false;
    return broken;
  }

  private fill(value: number, aux: boolean): void {
    const { s } = this;
    s.outputBuffer = value;
    s.status = (s.status & ~STATUS_AUX_OBF) | STATUS_OBF | (aux ? STATUS_AUX_OBF : 0);
    this.updateIrq();
  }

  private updateIrq(): void {
    const { s } = this;
    const full = (s.status & STATUS_OBF) !== 0;
    const aux = (s.status & STATUS_AUX_OBF) !== 0;
    this.wires.keyboardIrq.set(full && !aux && (s.ram[0] & MODE_KBD_INT) !== 0);
    this.wires.mouseIrq.set(full && aux && (s.ram[0] & MODE_AUX_INT) !== 0);
  }
}

function powerOn(): I8042State {
  const ram = new Uint8Array(32);
  // As the PC's firmware self test leaves it: both ports on, translation on, system flag.
  ram[0] = MODE_KBD_INT | MODE_AUX_INT | MODE_SYSTEM | MODE_TRANSLATE;
  return {
    version: 1,
    status: STATUS_SYSTEM | STATUS_UNLOCKED,
    outputBuffer: 0,
    ram,
    outputPort: 0xcf,
    command: 0,
    replies: [],
    translateBreak: false,
  };
}
