/**
 * VGA with Bochs VBE extensions: PCI 1234:1111, the "standard VGA" of QEMU.
 * Documents: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem (1990); Bochs VBE specification (id
 * B0C5h); QEMU docs/specs/standard-vga.rst (BARs).
 * Scope: all VGA registers, text, planar, CGA and 256-colour modes, linear modes to 2560x1600, EDID.
 * Missing: light pen, text panning, overscan border, switch sense, hardware cursor; registers take effect at once
 * instead of at the next frame.
 */
import { cloneState } from '../../base';
import type {
  AccessWidth,
  Clock,
  Device,
  DisplayAdapter,
  DisplayBackend,
  MemoryRegion,
  Mmio,
  PortIo,
  ResetKind,
} from '../../hw';
import { pciConfig, UNCONNECTED_IRQ, type PciBar, type PciFunction } from '../pci';
import { Dispi, type DispiState } from './dispi';
import { edidBlock } from './edid';
import { GraphicsPicture, dispiGeometry, vgaGeometry } from './graphics-picture';
import { Palette } from './palette';
import { TextPicture, textGeometry } from './text-picture';
import { VgaWindow } from './vga-memory';
import * as vga from './vga-regs';
import { inputStatus1 } from './vga-timing';

/** Video memory: 16 MiB, room for 2560x1600 at 32 bits. */
export const VRAM_BYTES = 16 << 20;
/** Index and data; data again at an even port. */
export const DISPI_PORT_BASE = 0x1ce;
export const DISPI_PORT_COUNT = 3;

// Register BAR, offsets as in QEMU's standard VGA.
const MMIO_BYTES = 0x1000;
const MMIO_VGA_PORTS = 0x400;
const MMIO_DISPI = 0x500;
const MMIO_QEMU_EXTENDED = 0x600;
/** A mode change blanks the screen for a moment, which nobody needs to see. */
const BLANK_AFTER_NS = 100_000_000;
const QEMU_EXTENDED_BYTES = 8;
const LITTLE_ENDIAN = 0x1e1e_1e1e;

export interface VgaState {
  version: 1;
  registers: vga.VgaRegisters;
  dispi: DispiState;
}

export interface VgaCapabilities {
  clock: Clock;
  /** `VRAM_BYTES` of directly mapped memory. */
  vram: MemoryRegion;
  display: DisplayBackend;
}

export class Vga implements Device<VgaState>, PciFunction, DisplayAdapter {
  readonly id = 'vga';
  readonly config: Uint8Array;
  readonly writeMask: Uint8Array;
  readonly clearMask: Uint8Array;
  readonly bars: readonly PciBar[];
  irq = UNCONNECTED_IRQ;
  /** A0000h-BFFFFh. */
  readonly window: VgaWindow;
  private r = vga.powerOnRegisters();
  private readonly dispi: Dispi;
  private readonly palette = new Palette();
  private readonly textPicture: TextPicture;
  private readonly graphicsPicture: GraphicsPicture;
  private readonly edid = edidBlock();
  /** What is on screen: kind of picture and size. */
  private shown = '';
  private width = 0;
  private height = 0;
  private pixels = new Uint32Array(0);
  private hasText = false;
  private isBlack = false;
  private blankSinceNs: number | undefined;

  constructor(private readonly wires: VgaCapabilities) {
    const space = pciConfig({ vendor: 0x1234, device: 0x1111, class: 0x030000, revision: 2 });
    this.config = space.config;
    this.writeMask = space.writeMask;
    this.clearMask = space.clearMask;
    const vram = wires.vram.bytes;
    this.dispi = new Dispi({
      memoryBytes: vram.length,
      onEnable: (clearBytes) => this.followDispi(clearBytes),
    });
    this.window = new VgaWindow(vram, {
      registers: () => this.r,
      bankOffset: () => (this.dispi.enabled ? this.dispi.bankOffset : 0),
    });
    this.textPicture = new TextPicture(vram, wires.display, this.palette);
    this.graphicsPicture = new GraphicsPicture(vram, wires.display, this.palette);
    this.bars = [
      { index: 0, kind: 'region', size: vram.length, prefetchable: true, handler: wires.vram },
      { index: 2, kind: 'mmio', size: MMIO_BYTES, handler: this.mmio },
    ];
  }

  reset(kind: ResetKind): void {
    this.r = vga.powerOnRegisters();
    this.dispi.reset();
    if (kind === 'power-on') this.wires.vram.bytes.fill(0);
  }

  /** Registers only: video memory is device memory, which the machine saves with RAM. */
  save(): VgaState {
    return { version: 1, registers: cloneState(this.r), dispi: this.dispi.save() };
  }

  restore(state: VgaState): void {
    this.r = cloneState(state.registers);
    this.dispi.restore(state.dispi);
    this.shown = '';
  }

  // --- Picture

  refresh(force: boolean): void {
    const changed = this.palette.update(this.r, this.dispi.enabled && this.dispi.wideDac);
    const all = force || changed || this.isBlack;
    if (this.isBlank) {
      this.showBlank(force);
      return;
    }
    this.blankSinceNs = undefined;
    this.isBlack = false;
    if (this.dispi.enabled) this.showDispi(all);
    else if (this.r.graphics[vga.GR_MISC] & vga.GR_MISC_GRAPHICS) this.showGraphics(all);
    else this.showText(all);
  }

  /** The attribute controller does not show the palette, or the sequencer is off or in reset. */
  private get isBlank(): boolean {
    if (this.dispi.enabled) return false;
    const { attributeIndex, sequencer } = this.r;
    return (
      !(attributeIndex & vga.AR_INDEX_PALETTE_SOURCE) ||
      (sequencer[vga.SR_CLOCKING] & vga.SR_CLOCKING_SCREEN_OFF) !== 0
    );
  }

  /** Black, in the size of the last mode, once the screen has been off for longer than a mode change takes. */
  private showBlank(force: boolean): void {
    const { now } = this.wires.clock;
    this.blankSinceNs ??= now;
    if (this.shown === '') this.mode('blank', 720, 400);
    else if (force || (!this.isBlack && now - this.blankSinceNs >= BLANK_AFTER_NS)) {
      this.pixels.fill(0);
      this.wires.display.dirty(0, 0, this.width, this.height);
      this.isBlack = true;
      this.noText();
    }
  }

  private showDispi(all: boolean): void {
    const g = dispiGeometry(this.dispi);
    const pixels = this.mode(`dispi ${g.format}`, g.width, g.height);
    if (pixels) this.graphicsPicture.begin(g, pixels);
    this.graphicsPicture.drawDispi(this.dispi, all || pixels !== undefined);
    this.noText();
  }

  private showGraphics(all: boolean): void {
    const g = vgaGeometry(this.r);
    const pixels = this.mode(`vga ${g.format} ${g.scale}`, g.width, g.height);
    if (pixels) this.graphicsPicture.begin(g, pixels);
    this.graphicsPicture.drawVga(this.r, all || pixels !== undefined);
    this.noText();
  }

  private showText(all: boolean): void {
    const g = textGeometry(this.r);
    const key = `text ${g.columns} ${g.cellWidth} ${g.cellHeight} ${g.scale} ${g.doubled}`;
    const pixels = this.mode(key, g.columns * g.cellWidth, g.rows * g.cellHeight);
    if (pixels) this.textPicture.begin(g, pixels);
    this.textPicture.draw(this.r, this.wires.clock.now, all || pixels !== undefined);
    this.hasText = true;
  }

  /** Pixels to draw into when the mode is a new one. */
  private mode(kind: string, width: number, height: number): Uint32Array<ArrayBuffer> | undefined {
    const key = `${kind} ${width}x${height}`;
    if (key === this.shown) return undefined;
    this.shown = key;
    this.width = width;
    this.height = height;
    const bytes = this.wires.display.resize(width, height);
    // The buffer may be shared memory, which the picture only writes.
    this.pixels = new Uint32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, width * height);
    return this.pixels;
  }

  private noText(): void {
    if (!this.hasText) return;
    this.hasText = false;
    this.wires.display.text(undefined);
  }

  /** Brings the VGA's registers to a state in which the window and the CRTC fit a Bochs mode. */
  private followDispi(clearBytes: number): void {
    const { graphics, sequencer, crtc } = this.r;
    const { bitsPerPixel, pitch, height, width } = this.dispi;
    const planar = bitsPerPixel === 4;
    graphics[vga.GR_MISC] = (graphics[vga.GR_MISC] & ~0x0c) | 0x05;
    graphics[vga.GR_MODE] = (graphics[vga.GR_MODE] & ~0x70) | (planar ? 0 : vga.GR_MODE_256_COLORS);
    sequencer[vga.SR_MEMORY_MODE] |= planar
      ? vga.SR_MEMORY_ODD_EVEN_OFF
      : vga.SR_MEMORY_CHAIN_4 | vga.SR_MEMORY_ODD_EVEN_OFF;
    if (planar) sequencer[vga.SR_MEMORY_MODE] &= ~vga.SR_MEMORY_CHAIN_4;
    else sequencer[vga.SR_MAP_MASK] = 0x0f;
    sequencer[vga.SR_CLOCKING] &= ~(vga.SR_CLOCKING_DCLK_2 | vga.SR_CLOCKING_SCREEN_OFF);
    crtc[vga.CR_MODE_CONTROL] |= vga.CR_MODE_CMS0 | vga.CR_MODE_CMS1;
    crtc[vga.CR_OFFSET] = pitch >> 3;
    crtc[vga.CR_H_DISPLAY_END] = (width >> 3) - 1;
    crtc[vga.CR_V_DISPLAY_END] = height - 1;
    const last = height - 1;
    crtc[vga.CR_OVERFLOW] =
      (crtc[vga.CR_OVERFLOW] & ~0x42) | ((last >> 7) & 0x02) | ((last >> 3) & 0x40);
    crtc[vga.CR_MAX_SCAN_LINE] &= ~0x9f;
    crtc[vga.CR_LINE_COMPARE] = 0xff;
    crtc[vga.CR_OVERFLOW] |= 0x10;
    crtc[vga.CR_MAX_SCAN_LINE] |= 0x40;
    if (clearBytes > 0) this.wires.vram.bytes.fill(0, 0, clearBytes);
  }

  // --- Ports

  /** 3B0h-3DFh, bytes. */
  readonly ports: PortIo = {
    readPort: (offset, width) =>
      gather(width, (i) => (offset + i < vga.VGA_PORT_COUNT ? this.readVga(offset + i) : 0xff)),
    writePort: (offset, width, value) => {
      for (let i = 0; i < width && offset + i < vga.VGA_PORT_COUNT; i++)
        this.writeVga(offset + i, (value >>> (8 * i)) & 0xff);
    },
  };

  /** 1CEh-1D0h, words. */
  readonly dispiPorts: PortIo = {
    readPort: (offset, width) =>
      (offset === 0 ? this.dispi.readIndex() : this.dispi.readData()) &
      (width === 1 ? 0xff : 0xffff),
    writePort: (offset, _width, value) => {
      if (offset === 0) this.dispi.writeIndex(value);
      else this.dispi.writeData(value);
    },
  };

  private isColor(): boolean {
    return (this.r.misc & vga.MISC_IOAS) !== 0;
  }

  private readVga(port: number): number {
    const r = this.r;
    switch (port) {
      case vga.CRTC_INDEX_MONO:
      case vga.CRTC_INDEX_COLOR:
        return (port === vga.CRTC_INDEX_COLOR) === this.isColor() ? r.crtcIndex : 0xff;
      case vga.CRTC_DATA_MONO:
      case vga.CRTC_DATA_COLOR:
        if ((port === vga.CRTC_DATA_COLOR) !== this.isColor()) return 0xff;
        return r.crtcIndex < vga.CR_COUNT ? r.crtc[r.crtcIndex] : 0;
      case vga.INPUT_STATUS_1_MONO:
      case vga.INPUT_STATUS_1_COLOR:
        if ((port === vga.INPUT_STATUS_1_COLOR) !== this.isColor()) return 0xff;
        r.attributeData = false;
        return inputStatus1(r, this.wires.clock.now);
      case vga.ATTRIBUTE_INDEX:
        return r.attributeIndex;
      case vga.ATTRIBUTE_READ: {
        const index = r.attributeIndex & 0x1f;
        return index < vga.AR_COUNT ? r.attribute[index] : 0;
      }
      case vga.MISC_WRITE:
        return 0;
      case vga.VGA_ENABLE:
        return r.enable;
      case vga.SEQUENCER_INDEX:
        return r.sequencerIndex;
      case vga.SEQUENCER_DATA:
        return r.sequencerIndex < vga.SR_COUNT ? r.sequencer[r.sequencerIndex] : 0;
      case vga.DAC_MASK:
        return r.dacMask;
      case vga.DAC_READ_INDEX:
        return r.dacReading ? 3 : 0;
      case vga.DAC_WRITE_INDEX:
        return r.dacWriteIndex;
      case vga.DAC_DATA:
        return this.readDac();
      case vga.FEATURE_READ:
        return r.feature;
      case vga.MISC_READ:
        return r.misc;
      case vga.GRAPHICS_INDEX:
        return r.graphicsIndex;
      case vga.GRAPHICS_DATA:
        return r.graphicsIndex < vga.GR_COUNT ? r.graphics[r.graphicsIndex] : 0;
      default:
        return 0xff;
    }
  }

  private writeVga(port: number, value: number): void {
    const r = this.r;
    switch (port) {
      case vga.CRTC_INDEX_MONO:
      case vga.CRTC_INDEX_COLOR:
        if ((port === vga.CRTC_INDEX_COLOR) === this.isColor()) r.crtcIndex = value;
        return;
      case vga.CRTC_DATA_MONO:
      case vga.CRTC_DATA_COLOR:
        if ((port === vga.CRTC_DATA_COLOR) === this.isColor()) this.writeCrtc(value);
        return;
      case vga.INPUT_STATUS_1_MONO:
      case vga.INPUT_STATUS_1_COLOR:
        if ((port === vga.INPUT_STATUS_1_COLOR) === this.isColor()) r.feature = value & 0x08;
        return;
      case vga.ATTRIBUTE_INDEX:
        this.writeAttribute(value);
        return;
      case vga.MISC_WRITE:
        r.misc = value & ~0x10;
        return;
      case vga.VGA_ENABLE:
        r.enable = value & 1;
        return;
      case vga.SEQUENCER_INDEX:
        r.sequencerIndex = value & 7;
        return;
      case vga.SEQUENCER_DATA:
        if (r.sequencerIndex < vga.SR_COUNT)
          r.sequencer[r.sequencerIndex] = value & vga.SR_MASKS[r.sequencerIndex];
        return;
      case vga.DAC_MASK:
        r.dacMask = value;
        return;
      case vga.DAC_READ_INDEX:
        r.dacReadIndex = value;
        r.dacComponent = 0;
        r.dacReading = true;
        return;
      case vga.DAC_WRITE_INDEX:
        r.dacWriteIndex = value;
        r.dacComponent = 0;
        r.dacReading = false;
        return;
      case vga.DAC_DATA:
        this.writeDac(value);
        return;
      case vga.GRAPHICS_INDEX:
        r.graphicsIndex = value & 0x0f;
        return;
      case vga.GRAPHICS_DATA:
        if (r.graphicsIndex < vga.GR_COUNT)
          r.graphics[r.graphicsIndex] = value & vga.GR_MASKS[r.graphicsIndex];
        return;
      default:
        return;
    }
  }

  private writeCrtc(value: number): void {
    const { crtc, crtcIndex } = this.r;
    if (crtcIndex >= vga.CR_COUNT) return;
    const isProtected =
      crtcIndex <= vga.CR_OVERFLOW &&
      (crtc[vga.CR_V_RETRACE_END] & vga.CR_V_RETRACE_END_PROTECT) !== 0;
    if (!isProtected) crtc[crtcIndex] = value;
    // Line compare bit 8 stays writable.
    else if (crtcIndex === vga.CR_OVERFLOW)
      crtc[vga.CR_OVERFLOW] = (crtc[vga.CR_OVERFLOW] & ~0x10) | (value & 0x10);
  }

  private writeAttribute(value: number): void {
    const r = this.r;
    if (!r.attributeData) r.attributeIndex = value & 0x3f;
    else {
      const index = r.attributeIndex & 0x1f;
      // The palette can be written only while it is not shown.
      if (index < 16) {
        if (!(r.attributeIndex & vga.AR_INDEX_PALETTE_SOURCE)) r.attribute[index] = value & 0x3f;
      } else if (index < vga.AR_COUNT)
        r.attribute[index] = value & (ATTRIBUTE_MASKS[index - 16] ?? 0);
    }
    r.attributeData = !r.attributeData;
  }

  private readDac(): number {
    const r = this.r;
    const value = r.dac[r.dacReadIndex * 3 + r.dacComponent];
    if (++r.dacComponent === 3) {
      r.dacComponent = 0;
      r.dacReadIndex = (r.dacReadIndex + 1) & 0xff;
    }
    return value;
  }

  /** An entry takes effect with its third byte. */
  private writeDac(value: number): void {
    const r = this.r;
    r.dacEntry[r.dacComponent as 0 | 1 | 2] = this.dispi.wideDac ? value : value & 0x3f;
    if (++r.dacComponent < 3) return;
    r.dac.set(r.dacEntry, r.dacWriteIndex * 3);
    r.dacComponent = 0;
    r.dacWriteIndex = (r.dacWriteIndex + 1) & 0xff;
  }

  // --- Register BAR

  private get mmio(): Mmio {
    return {
      readMmio: (offset, width) => this.readRegisterBar(offset, width),
      writeMmio: (offset, width, value) => this.writeRegisterBar(offset, width, value),
    };
  }

  private readRegisterBar(offset: number, width: AccessWidth): number {
    if (offset < MMIO_VGA_PORTS) return gather(width, (i) => this.edid[offset + i] ?? 0);
    if (offset < MMIO_DISPI)
      return gather(width, (i) => {
        const port = offset + i - MMIO_VGA_PORTS;
        return port < 0x20 ? this.readVga(port + vga.ATTRIBUTE_INDEX) : 0xff;
      });
    if (offset < MMIO_QEMU_EXTENDED) {
      const value = this.dispi.read((offset - MMIO_DISPI) >> 1);
      return width === 1 ? (offset & 1 ? value >> 8 : value & 0xff) : value;
    }
    if (offset === MMIO_QEMU_EXTENDED) return QEMU_EXTENDED_BYTES;
    return offset === MMIO_QEMU_EXTENDED + 4 ? lowBytes(LITTLE_ENDIAN, width) : 0;
  }

  private writeRegisterBar(offset: number, width: AccessWidth, value: number): void {
    if (offset < MMIO_VGA_PORTS) return;
    if (offset < MMIO_DISPI) {
      for (let i = 0; i < width && offset + i < MMIO_VGA_PORTS + 0x20; i++)
        this.writeVga(
          offset + i - MMIO_VGA_PORTS + vga.ATTRIBUTE_INDEX,
          (value >>> (8 * i)) & 0xff,
        );
    } else if (offset < MMIO_QEMU_EXTENDED && !(offset & 1))
      this.dispi.write((offset - MMIO_DISPI) >> 1, value & 0xffff);
  }
}

/** AR10-AR14. */
const ATTRIBUTE_MASKS: readonly number[] = [0xef, 0xff, 0x3f, 0x0f, 0x0f];

function gather(width: AccessWidth, byte: (i: number) => number): number {
  let value = 0;
  for (let i = 0; i < width; i++) value += byte(i) * 2 ** (8 * i);
  return value;
}

function lowBytes(value: number, width: AccessWidth): number {
  return width === 4 ? value : value & (2 ** (8 * width) - 1);
}
