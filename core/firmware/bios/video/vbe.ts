/**
 * INT 10h AH=4Fh: VESA BIOS extensions on the Bochs display interface.
 * Spec: VBE Core Functions 3.0, VBE/DDC 1.1. Functions 00 to 09 and 15h.
 * Missing: protected mode interface (0Ah), VBE/PM beyond "supported states: none".
 */
import { ByteBuilder } from '../../bytes';
import * as bda from '../bda';
import type { ServiceCall } from '../call';
import type { Screen } from './screen';
import {
  lineBytes,
  type VbeMode,
  VBE_MODE_BDA,
  VBE_MODES,
  vbeMode,
  vbeModeBytes,
} from './vbe-modes';
import * as hw from './vga';

const OK = 0x004f;
const FAILED = 0x014f;
const LINEAR = 0x4000;
const NO_CLEAR = 0x8000;
const VBE2_SIGNATURE = 0x3245_4256;

export interface VbeEnvironment {
  /** GPA of the linear framebuffer BAR, 0 when it has none. */
  linearFramebuffer(): number;
  /** The monitor's EDID block as the adapter has it; undefined when it has none. */
  edid(): Uint8Array | undefined;
  /** Sets a standard mode. */
  setStandardMode(mode: number, noClear: boolean): void;
  /** Points the graphics font vector at the ROM font of a height. */
  setGraphicsFont(height: number): void;
  /** Offset in segment F000h of the OEM string. */
  readonly oemString: number;
}

export class Vbe {
  constructor(
    private readonly screen: Screen,
    private readonly environment: VbeEnvironment,
  ) {}

  private get vga(): hw.VgaHardware {
    return this.screen.vga;
  }

  handle(call: ServiceCall): void {
    if (!this.vga.hasDispi) return;
    switch (call.al) {
      case 0x00:
        call.ax = this.controllerInfo(call);
        return;
      case 0x01:
        call.ax = this.modeInfo(call);
        return;
      case 0x02:
        call.ax = this.setMode(call.bx);
        return;
      case 0x03:
        call.bx = this.screen.memory.readU16(VBE_MODE_BDA) || this.screen.modeNumber;
        call.ax = OK;
        return;
      case 0x04:
        call.ax = this.saveState(call);
        return;
      case 0x05:
        call.ax = this.window(call);
        return;
      case 0x06:
        call.ax = this.scanLine(call);
        return;
      case 0x07:
        call.ax = this.displayStart(call);
        return;
      case 0x08:
        call.ax = this.dacFormat(call);
        return;
      case 0x09:
        call.ax = this.palette(call);
        return;
      case 0x10:
        // VBE/PM: report no states beyond "on".
        if (call.bl === 0) {
          call.bx = 0x0020;
          call.ax = OK;
        } else call.ax = FAILED;
        return;
      case 0x15:
        call.ax = this.ddc(call);
        return;
      default:
        call.ax = FAILED;
    }
  }

  private get videoMemory64K(): number {
    return this.vga.dispiRead(hw.DISPI_MEMORY_64K) || 64;
  }

  private get available(): readonly VbeMode[] {
    const bytes = this.videoMemory64K * 0x10000;
    return VBE_MODES.filter((mode) => vbeModeBytes(mode) <= bytes);
  }

  private controllerInfo(call: ServiceCall): number {
    const at = call.linear('es', call.di);
    const wants2 = call.memory.readU32(at) === VBE2_SIGNATURE;
    const segment = call.registers.getSegment('es').selector;
    const modes = this.available;
    const info = new ByteBuilder()
      .text('VESA')
      .u16(0x0300)
      .u16(this.environment.oemString)
      .u16(0xf000)
      .u32(1) // DAC switchable to 8 bits
      .u16((call.di + 0x22) & 0xffff) // the mode list lies in the reserved part of this block
      .u16(segment)
      .u16(this.videoMemory64K);
    info.u16(wants2 ? 0x0100 : 0);
    for (let i = 0; i < 3; i++)
      info.u16(wants2 ? this.environment.oemString : 0).u16(wants2 ? 0xf000 : 0);
    for (const mode of modes) info.u16(mode.number);
    info.u16(0xffff);
    const bytes = info.build();
    call.memory.write(at, bytes.subarray(0, wants2 ? 512 : 256));
    return OK;
  }

  private modeInfo(call: ServiceCall): number {
    const mode = vbeMode(call.cx);
    if (!mode || !this.available.includes(mode)) return FAILED;
    const framebuffer = this.environment.linearFramebuffer();
    const direct = mode.bits > 8;
    const planar = mode.bits === 4;
    const pages = Math.max(
      0,
      Math.min(255, Math.floor((this.videoMemory64K * 0x10000) / vbeModeBytes(mode)) - 1),
    );
    const fields =
      mode.bits === 15
        ? [5, 10, 5, 5, 5, 0, 1, 15]
        : mode.bits === 16
          ? [5, 11, 6, 5, 5, 0, 0, 0]
          : direct
            ? [8, 16, 8, 8, 8, 0, mode.bits === 32 ? 8 : 0, mode.bits === 32 ? 24 : 0]
            : [0, 0, 0, 0, 0, 0, 0, 0];
    const info = new ByteBuilder()
      .u16(0x003b | (framebuffer && !planar ? 0x80 : 0)) // supported, extended information, colour, graphics; linear framebuffer
      .u8(0x07, 0x00)
      .u16(64)
      .u16(64)
      .u16(0xa000)
      .u16(0)
      .u32(0) // no direct window function: INT 10h 4F05h is used
      .u16(mode.pitch)
      .u16(mode.width)
      .u16(mode.height)
      .u8(8, 16, planar ? 4 : 1, mode.bits, 1, direct ? 6 : planar ? 3 : 4, 0, pages, 1)
      .u8(...fields)
      .u8(mode.bits === 32 ? 2 : 0)
      .u32(planar ? 0 : framebuffer)
      .u32(0)
      .u16(0)
      .u16(mode.pitch)
      .u8(pages, pages)
      .u8(...fields)
      .u32(direct ? 230_000_000 : 0);
    info.zeros(256 - info.length);
    call.memory.write(call.linear('es', call.di), info.build());
    return OK;
  }

  private setMode(request: number): number {
    const number = request & 0x1ff;
    if (number < 0x100) {
      this.environment.setStandardMode(number & 0x7f, (request & NO_CLEAR) !== 0);
      return OK;
    }
    const mode = vbeMode(number);
    if (!mode || !this.available.includes(mode)) return FAILED;
    if ((request & LINEAR) !== 0 && (mode.bits === 4 || this.environment.linearFramebuffer() === 0))
      return FAILED;
    const { vga } = this;
    // Palette and VGA registers of a standard mode of the kind below the extension: defined state, window at A0000h.
    this.environment.setStandardMode(mode.bits === 4 ? 0x12 : 0x13, true);
    vga.dispiWrite(hw.DISPI_ENABLE, 0);
    vga.dispiWrite(hw.DISPI_XRES, mode.width);
    vga.dispiWrite(hw.DISPI_YRES, mode.height);
    vga.dispiWrite(hw.DISPI_BPP, mode.bits);
    vga.dispiWrite(
      hw.DISPI_ENABLE,
      hw.DISPI_ENABLED |
        ((request & LINEAR) !== 0 ? hw.DISPI_LFB_ENABLED : 0) |
        ((request & NO_CLEAR) !== 0 ? hw.DISPI_NOCLEARMEM : 0),
    );
    vga.dispiWrite(hw.DISPI_BANK, 0);
    const { memory } = this.screen;
    memory.writeU16(VBE_MODE_BDA, request & (0x1ff | LINEAR | NO_CLEAR));
    memory.writeU16(bda.VIDEO_COLUMNS, mode.width >> 3);
    memory.writeU8(bda.VIDEO_ROWS, Math.floor(mode.height / 16) - 1);
    this.environment.setGraphicsFont(16);
    return OK;
  }

  private window(call: ServiceCall): number {
    if (call.bl !== 0 || (this.vga.dispiRead(hw.DISPI_ENABLE) & hw.DISPI_ENABLED) === 0)
      return FAILED;
    if (call.bh === 1) {
      call.dx = this.vga.dispiRead(hw.DISPI_BANK);
      return OK;
    }
    if (call.bh !== 0 || call.dx >= this.videoMemory64K) return FAILED;
    this.vga.dispiWrite(hw.DISPI_BANK, call.dx);
    return OK;
  }

  private scanLine(call: ServiceCall): number {
    const mode = this.screen.vbe;
    if (!mode) return FAILED;
    // In planar modes a scan line is counted in one plane, of which there are four.
    const limit = Math.floor((this.videoMemory64K * 0x10000) / (mode.bits === 4 ? 4 : 1));
    const pixels = (bytes: number): number =>
      mode.bits === 4 ? bytes * 8 : Math.floor(bytes / lineBytes(mode.bits, 1));
    let width: number;
    switch (call.bl) {
      case 0:
        width = call.cx;
        break;
      case 1:
        width = this.vga.dispiRead(hw.DISPI_VIRT_WIDTH);
        break;
      case 2:
        width = pixels(call.cx);
        if (lineBytes(mode.bits, width) < call.cx) width++;
        break;
      case 3:
        width = Math.min(0xffff, pixels(Math.floor(limit / mode.height)));
        break;
      default:
        return FAILED;
    }
    if (call.bl === 0 || call.bl === 2) {
      if (lineBytes(mode.bits, width) * mode.height > limit) return 0x024f;
      this.vga.dispiWrite(hw.DISPI_VIRT_WIDTH, width);
      width = this.vga.dispiRead(hw.DISPI_VIRT_WIDTH);
    }
    const line = lineBytes(mode.bits, width);
    call.bx = line;
    call.cx = width;
    call.dx = line === 0 ? 0 : Math.min(0xffff, Math.floor(limit / line));
    return OK;
  }

  private displayStart(call: ServiceCall): number {
    if (!this.screen.vbe) return FAILED;
    switch (call.bl & 0x7f) {
      case 0:
        this.vga.dispiWrite(hw.DISPI_X_OFFSET, call.cx);
        this.vga.dispiWrite(hw.DISPI_Y_OFFSET, call.dx);
        return OK;
      case 1:
        call.bh = 0;
        call.cx = this.vga.dispiRead(hw.DISPI_X_OFFSET);
        call.dx = this.vga.dispiRead(hw.DISPI_Y_OFFSET);
        return OK;
      default:
        return FAILED;
    }
  }

  private dacFormat(call: ServiceCall): number {
    const enable = this.vga.dispiRead(hw.DISPI_ENABLE);
    if ((enable & hw.DISPI_ENABLED) === 0) return FAILED;
    if (call.bl === 0) {
      const eight = call.bh >= 8;
      this.vga.dispiWrite(
        hw.DISPI_ENABLE,
        (eight ? enable | hw.DISPI_8BIT_DAC : enable & ~hw.DISPI_8BIT_DAC) | hw.DISPI_NOCLEARMEM,
      );
    } else if (call.bl !== 1) return FAILED;
    call.bh = (this.vga.dispiRead(hw.DISPI_ENABLE) & hw.DISPI_8BIT_DAC) !== 0 ? 8 : 6;
    return OK;
  }

  /** Entries are blue, green, red, pad. */
  private palette(call: ServiceCall): number {
    const write = call.bl === 0 || call.bl === 0x80;
    if (!write && call.bl !== 1) return FAILED;
    const at = call.linear('es', call.di);
    for (let i = 0; i < Math.min(call.cx, 256); i++) {
      const entry = at + i * 4;
      const index = (call.dx + i) & 0xff;
      if (write) {
        this.vga.writeDac(
          index,
          call.memory.readU8(entry + 2),
          call.memory.readU8(entry + 1),
          call.memory.readU8(entry),
        );
      } else {
        const [r, g, b] = this.vga.readDac(index);
        call.memory.write(entry, Uint8Array.of(b, g, r, 0));
      }
    }
    return OK;
  }

  /** DISPI registers 1 to 9 follow nothing else: 32 bytes, one 64-byte block. */
  private saveState(call: ServiceCall): number {
    const at = call.linear('es', call.bx);
    switch (call.dl) {
      case 0:
        call.bx = 1;
        return OK;
      case 1:
        for (let i = 1; i < 10; i++) call.memory.writeU16(at + i * 2, this.vga.dispiRead(i));
        call.memory.writeU16(at, this.screen.memory.readU16(VBE_MODE_BDA));
        return OK;
      case 2: {
        const enable = call.memory.readU16(at + hw.DISPI_ENABLE * 2);
        this.vga.dispiWrite(hw.DISPI_ENABLE, 0);
        for (const i of [hw.DISPI_XRES, hw.DISPI_YRES, hw.DISPI_BPP])
          this.vga.dispiWrite(i, call.memory.readU16(at + i * 2));
        this.vga.dispiWrite(hw.DISPI_ENABLE, enable | hw.DISPI_NOCLEARMEM);
        for (let i = hw.DISPI_BANK; i <= hw.DISPI_Y_OFFSET; i++)
          this.vga.dispiWrite(i, call.memory.readU16(at + i * 2));
        this.screen.memory.writeU16(VBE_MODE_BDA, call.memory.readU16(at));
        return OK;
      }
      default:
        return FAILED;
    }
  }

  private ddc(call: ServiceCall): number {
    if (call.bl === 0) {
      call.bx = 0x0102; // about one second a block; DDC2 supported
      return OK;
    }
    if (call.bl !== 1 || call.dx !== 0) return FAILED;
    const edid = this.environment.edid();
    if (!edid) return FAILED;
    call.memory.write(call.linear('es', call.di), edid);
    return OK;
  }
}
