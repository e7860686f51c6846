/**
 * The VGA's window at A0000h-BFFFFh: chain-4, odd/even and planar access with the graphics controller's data path.
 * Document: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem, "Graphics Controller" and "Video memory".
 *
 * The four planes lie byte-interleaved in video memory: plane p of address a is byte `4 * a + p`, so that a 32-bit
 * word holds one address of all planes. QUIRK: chain-4 uses the bytes one after the other and odd/even pairs lie at
 * successive addresses (a VGA leaves gaps), so that text and mode 13h share their layout with the linear framebuffer.
 */
import type { AccessWidth, Mmio } from '../../hw';
import {
  GR_BIT_MASK,
  GR_COLOR_COMPARE,
  GR_COLOR_DONT_CARE,
  GR_DATA_ROTATE,
  GR_ENABLE_SET_RESET,
  GR_MISC,
  GR_MODE,
  GR_MODE_ODD_EVEN,
  GR_MODE_READ_COMPARE,
  GR_READ_MAP_SELECT,
  GR_SET_RESET,
  SR_MAP_MASK,
  SR_MEMORY_CHAIN_4,
  SR_MEMORY_MODE,
  SR_MEMORY_ODD_EVEN_OFF,
  type VgaRegisters,
} from './vga-regs';

export const VGA_WINDOW_BYTES = 0x20000;
const NOT_DECODED = -1;

/** A plane mask as bytes: bit p fills byte p. */
const FILL = Int32Array.from(
  { length: 16 },
  (_, mask) =>
    (mask & 1 ? 0xff : 0) |
    (mask & 2 ? 0xff00 : 0) |
    (mask & 4 ? 0xff0000 : 0) |
    (mask & 8 ? 0xff000000 : 0),
);

const repeat = (byte: number): number => byte * 0x01010101;

export interface VgaWindowWires {
  /** The adapter's registers as they are now. */
  registers(): VgaRegisters;
  /** Offset that the Bochs bank register adds to the 64 KiB window, in bytes of video memory. */
  bankOffset(): number;
}

export class VgaWindow implements Mmio {
  private readonly words: Int32Array;

  /** `bytes` is video memory, a power of two long. */
  constructor(
    private readonly bytes: Uint8Array,
    private readonly wires: VgaWindowWires,
  ) {
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  }

  readMmio(offset: number, width: AccessWidth): number {
    let value = 0;
    for (let i = 0; i < width; i++) value += this.read(offset + i) * 2 ** (8 * i);
    return value;
  }

  writeMmio(offset: number, width: AccessWidth, value: number): void {
    for (let i = 0; i < width; i++) this.write(offset + i, (value >>> (8 * i)) & 0xff);
  }

  /** Where an offset in the window goes: memory map select of GR06, plus the bank. */
  private decode(offset: number, r: VgaRegisters): number {
    switch ((r.graphics[GR_MISC] >> 2) & 3) {
      case 0:
        return offset;
      case 1:
        return offset < 0x10000 ? offset + this.wires.bankOffset() : NOT_DECODED;
      case 2:
        return offset >= 0x10000 && offset < 0x18000 ? offset - 0x10000 : NOT_DECODED;
      default:
        return offset >= 0x18000 ? offset - 0x18000 : NOT_DECODED;
    }
  }

  private read(offset: number): number {
    const r = this.wires.registers();
    const at = this.decode(offset, r);
    if (at === NOT_DECODED) return 0xff;
    const { graphics } = r;
    if (r.sequencer[SR_MEMORY_MODE] & SR_MEMORY_CHAIN_4) {
      r.latch = this.words[(at >> 2) & (this.words.length - 1)];
      return this.bytes[at & (this.bytes.length - 1)];
    }
    const oddEven = (graphics[GR_MODE] & GR_MODE_ODD_EVEN) !== 0;
    const address = (oddEven ? at >> 1 : at) & (this.words.length - 1);
    const latch = this.words[address];
    r.latch = latch;
    if (graphics[GR_MODE] & GR_MODE_READ_COMPARE) {
      // Read mode 1: a bit is set where all planes that matter have the compare colour.
      const differs =
        (latch ^ FILL[graphics[GR_COLOR_COMPARE] & 15]) & FILL[graphics[GR_COLOR_DONT_CARE] & 15];
      return ~(differs | (differs >> 8) | (differs >> 16) | (differs >> 24)) & 0xff;
    }
    const select = graphics[GR_READ_MAP_SELECT];
    const plane = oddEven ? (select & 2) | (at & 1) : select & 3;
    return (latch >>> (8 * plane)) & 0xff;
  }

  private write(offset: number, value: number): void {
    const r = this.wires.registers();
    const at = this.decode(offset, r);
    if (at === NOT_DECODED) return;
    const memoryMode = r.sequencer[SR_MEMORY_MODE];
    const mapMask = r.sequencer[SR_MAP_MASK];
    if (memoryMode & SR_MEMORY_CHAIN_4) {
      if (mapMask & (1 << (at & 3))) this.bytes[at & (this.bytes.length - 1)] = value;
      return;
    }
    let planes = mapMask & 15;
    let address = at;
    if (!(memoryMode & SR_MEMORY_ODD_EVEN_OFF)) {
      planes &= at & 1 ? 0b1010 : 0b0101;
      address = at >> 1;
    }
    address &= this.words.length - 1;
    const mask = FILL[planes];
    this.words[address] = (this.words[address] & ~mask) | (this.combine(value, r) & mask);
  }

  /** Write modes 0 to 3: what each plane's byte becomes. */
  private combine(value: number, r: VgaRegisters): number {
    const { graphics, latch } = r;
    const mode = graphics[GR_MODE] & 3;
    if (mode === 1) return latch;
    const rotate = graphics[GR_DATA_ROTATE] & 7;
    const rotated = ((value >> rotate) | (value << (8 - rotate))) & 0xff;
    let data: number;
    let bitMask = graphics[GR_BIT_MASK];
    if (mode === 0) {
      const enabled = FILL[graphics[GR_ENABLE_SET_RESET] & 15];
      data = (repeat(rotated) & ~enabled) | (FILL[graphics[GR_SET_RESET] & 15] & enabled);
    } else if (mode === 2) data = FILL[value & 15];
    else {
      bitMask &= rotated;
      data = FILL[graphics[GR_SET_RESET] & 15];
    }
    switch ((graphics[GR_DATA_ROTATE] >> 3) & 3) {
      case 1:
        data &= latch;
        break;
      case 2:
        data |= latch;
        break;
      case 3:
        data ^= latch;
        break;
      default:
        break;
    }
    const bits = repeat(bitMask);
    return (data & bits) | (latch & ~bits);
  }
}
