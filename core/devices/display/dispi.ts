/**
 * Bochs VBE extensions (DISPI): modes of 4 to 32 bits a pixel, virtual screen, bank register.
 * Document: Bochs VBE specification in `vgabios/vbe_display_api.txt` (id B0C0h to B0C5h); QEMU docs/specs/standard-vga.rst.
 */

// Registers by index.
export const DISPI_ID = 0x0;
export const DISPI_XRES = 0x1;
export const DISPI_YRES = 0x2;
export const DISPI_BPP = 0x3;
export const DISPI_ENABLE = 0x4;
export const DISPI_BANK = 0x5;
export const DISPI_VIRT_WIDTH = 0x6;
export const DISPI_VIRT_HEIGHT = 0x7;
export const DISPI_X_OFFSET = 0x8;
export const DISPI_Y_OFFSET = 0x9;
export const DISPI_VIDEO_MEMORY_64K = 0xa;
export const DISPI_COUNT = 0xb;

export const DISPI_ID0 = 0xb0c0;
export const DISPI_ID5 = 0xb0c5;

export const DISPI_ENABLED = 0x01;
export const DISPI_GETCAPS = 0x02;
export const DISPI_BANK_GRANULARITY_32K = 0x10;
export const DISPI_8BIT_DAC = 0x20;
export const DISPI_LFB_ENABLED = 0x40;
export const DISPI_NOCLEARMEM = 0x80;

export const DISPI_MAX_XRES = 2560;
export const DISPI_MAX_YRES = 1600;
const DISPI_MAX_BPP = 32;
const DEPTHS: readonly number[] = [4, 8, 15, 16, 24, 32];

export interface DispiWires {
  readonly memoryBytes: number;
  /** A mode was switched on: the VGA's registers follow it; `clearBytes` of video memory become zero. */
  onEnable(clearBytes: number): void;
}

export interface DispiState {
  index: number;
  registers: Uint16Array<ArrayBuffer>;
}

export class Dispi {
  s: DispiState = powerOn();

  constructor(private readonly wires: DispiWires) {}

  reset(): void {
    this.s = powerOn();
  }

  save(): DispiState {
    return { index: this.s.index, registers: new Uint16Array(this.s.registers) };
  }

  restore(state: DispiState): void {
    this.s = { index: state.index, registers: new Uint16Array(state.registers) };
  }

  get enabled(): boolean {
    return (this.s.registers[DISPI_ENABLE] & DISPI_ENABLED) !== 0;
  }

  get width(): number {
    return this.s.registers[DISPI_XRES];
  }

  get height(): number {
    return this.s.registers[DISPI_YRES];
  }

  get bitsPerPixel(): number {
    return this.s.registers[DISPI_BPP];
  }

  get wideDac(): boolean {
    return (this.s.registers[DISPI_ENABLE] & DISPI_8BIT_DAC) !== 0;
  }

  /** Bytes from one line to the next; a 4-bit pixel has a bit in each plane. */
  get pitch(): number {
    return this.lineBytes(this.s.registers[DISPI_VIRT_WIDTH]);
  }

  /** First byte on screen. */
  get start(): number {
    const { registers } = this.s;
    return registers[DISPI_Y_OFFSET] * this.pitch + this.lineBytes(registers[DISPI_X_OFFSET]);
  }

  get bankOffset(): number {
    const { registers } = this.s;
    const granularity = registers[DISPI_ENABLE] & DISPI_BANK_GRANULARITY_32K ? 0x8000 : 0x10000;
    return registers[DISPI_BANK] * granularity;
  }

  readIndex(): number {
    return this.s.index;
  }

  writeIndex(value: number): void {
    this.s.index = value & 0xffff;
  }

  readData(): number {
    return this.read(this.s.index);
  }

  writeData(value: number): void {
    this.write(this.s.index, value & 0xffff);
  }

  read(index: number): number {
    const { registers } = this.s;
    if (registers[DISPI_ENABLE] & DISPI_GETCAPS) {
      if (index === DISPI_XRES) return DISPI_MAX_XRES;
      if (index === DISPI_YRES) return DISPI_MAX_YRES;
      if (index === DISPI_BPP) return DISPI_MAX_BPP;
    }
    if (index === DISPI_VIDEO_MEMORY_64K) return this.wires.memoryBytes >> 16;
    return index < DISPI_COUNT ? registers[index] : 0;
  }

  write(index: number, value: number): void {
    const { registers } = this.s;
    switch (index) {
      case DISPI_ID:
        if (value >= DISPI_ID0 && value <= DISPI_ID5) registers[DISPI_ID] = value;
        return;
      case DISPI_XRES:
        if (!this.enabled && value > 0 && value <= DISPI_MAX_XRES)
          registers[index] = value & ~7 || 8;
        return;
      case DISPI_YRES:
        if (!this.enabled && value > 0 && value <= DISPI_MAX_YRES) registers[index] = value;
        return;
      case DISPI_BPP:
        // Before B0C2h the depth was always 8, and 0 means that still.
        if (!this.enabled && (value === 0 || DEPTHS.includes(value))) registers[index] = value || 8;
        return;
      case DISPI_ENABLE:
        return this.writeEnable(value);
      case DISPI_BANK:
        if (value < this.wires.memoryBytes >> 15) registers[index] = value;
        return;
      case DISPI_VIRT_WIDTH:
        return this.writeVirtualWidth(value);
      case DISPI_X_OFFSET:
      case DISPI_Y_OFFSET:
        return this.writeOffset(index, value);
      default:
        return;
    }
  }

  private lineBytes(pixels: number): number {
    const bits = this.s.registers[DISPI_BPP];
    // Four planes side by side: eight pixels are one 32-bit word.
    if (bits === 4) return (pixels >> 3) * 4;
    return pixels * ((bits + 7) >> 3);
  }

  private writeEnable(value: number): void {
    const { registers } = this.s;
    const wasEnabled = this.enabled;
    const fits = this.lineBytes(registers[DISPI_XRES]) * registers[DISPI_YRES];
    if (!(value & DISPI_ENABLED) || fits === 0 || fits > this.wires.memoryBytes) {
      registers[DISPI_ENABLE] = value & ~DISPI_ENABLED & ~DISPI_8BIT_DAC;
      registers[DISPI_BANK] = 0;
      return;
    }
    registers[DISPI_ENABLE] = value;
    if (wasEnabled) return;
    registers[DISPI_VIRT_WIDTH] = registers[DISPI_XRES];
    registers[DISPI_VIRT_HEIGHT] = this.virtualHeight();
    registers[DISPI_X_OFFSET] = 0;
    registers[DISPI_Y_OFFSET] = 0;
    registers[DISPI_BANK] = 0;
    this.wires.onEnable(value & DISPI_NOCLEARMEM ? 0 : fits);
  }

  private virtualHeight(): number {
    return Math.min(0xffff, Math.floor(this.wires.memoryBytes / this.pitch));
  }

  /** Takes the width when the picture still fits the memory. */
  private writeVirtualWidth(value: number): void {
    const { registers } = this.s;
    if (!this.enabled) return;
    const width = Math.max(value & ~7, registers[DISPI_XRES]);
    if (this.lineBytes(width) * registers[DISPI_YRES] > this.wires.memoryBytes) return;
    registers[DISPI_VIRT_WIDTH] = width;
    registers[DISPI_VIRT_HEIGHT] = this.virtualHeight();
    if (this.end > this.wires.memoryBytes) registers.fill(0, DISPI_X_OFFSET, DISPI_Y_OFFSET + 1);
    this.wires.onEnable(0);
  }

  private writeOffset(index: number, value: number): void {
    const { registers } = this.s;
    if (!this.enabled) return;
    const before = registers[index];
    registers[index] = value;
    if (this.end > this.wires.memoryBytes) registers[index] = before;
  }

  /** One byte after the last on screen. */
  private get end(): number {
    return this.start + this.pitch * (this.height - 1) + this.lineBytes(this.width);
  }
}

function powerOn(): DispiState {
  const registers = new Uint16Array(DISPI_COUNT);
  registers[DISPI_ID] = DISPI_ID5;
  registers[DISPI_BPP] = 8;
  return { index: 0, registers };
}
