/**
 * CMOS RAM of the MC146818: access, and the configuration bytes an AT BIOS keeps there.
 * Specs: Motorola MC146818A; IBM PC/AT Technical Reference; bytes 34h, 35h as QEMU and SeaBIOS use them.
 */
import type { SystemBus } from '../../../hw';

export const STATUS_A = 0x0a;
export const STATUS_B = 0x0b;
export const STATUS_C = 0x0c;
export const SHUTDOWN_STATUS = 0x0f;
export const DISKETTE_TYPES = 0x10;
export const EQUIPMENT_BYTE = 0x14;
export const CENTURY = 0x32;

export class Cmos {
  constructor(private readonly bus: SystemBus) {}

  read(index: number): number {
    this.bus.writePort(0x70, 1, index | 0x80);
    return this.bus.readPort(0x71, 1) & 0xff;
  }

  write(index: number, value: number): void {
    this.bus.writePort(0x70, 1, index | 0x80);
    this.bus.writePort(0x71, 1, value & 0xff);
  }

  /** Clears the NMI mask that bit 7 of port 70h is. */
  enableNmi(): void {
    this.bus.writePort(0x70, 1, 0x0d);
    this.bus.readPort(0x71, 1);
  }
}

export const toBcd = (n: number): number => (Math.floor(n / 10) << 4) | (n % 10);
export const fromBcd = (n: number): number => (n >> 4) * 10 + (n & 0x0f);

export interface CmosConfig {
  readonly ramBytes: number;
  readonly floppies: number;
  readonly hardDisks: number;
  /** Boot order letters, for a SeaBIOS without fw_cfg's bootorder (CMOS 38h, 3Dh). */
  readonly bootOrder: string;
}

/** Values the board may preset so that any BIOS finds them: index to value. */
export function cmosImage(config: CmosConfig): ReadonlyMap<number, number> {
  const extendedKib = Math.min(Math.max(Math.floor(config.ramBytes / 1024) - 1024, 0), 0xffff);
  const above16M = Math.min(
    Math.max(Math.floor((config.ramBytes - 16 * 1024 * 1024) / 0x10000), 0),
    0xffff,
  );
  const code = (letter: string): number => Math.max('acdn'.indexOf(letter) + 1, 0);
  const order = [...config.bootOrder].map(code);
  return new Map([
    [DISKETTE_TYPES, (config.floppies > 0 ? 0x40 : 0) | (config.floppies > 1 ? 0x04 : 0)],
    [0x12, (config.hardDisks > 0 ? 0xf0 : 0) | (config.hardDisks > 1 ? 0x0f : 0)],
    // Bit 0 diskettes, bit 1 coprocessor, bit 2 pointing device, bits 7-6 number of diskette drives less one.
    [
      EQUIPMENT_BYTE,
      0x06 | (config.floppies > 0 ? 0x01 | ((Math.min(config.floppies, 2) - 1) << 6) : 0),
    ],
    [0x15, 640 & 0xff],
    [0x16, 640 >> 8],
    [0x17, extendedKib & 0xff],
    [0x18, extendedKib >> 8],
    [0x30, extendedKib & 0xff],
    [0x31, extendedKib >> 8],
    [0x34, above16M & 0xff],
    [0x35, above16M >> 8],
    [0x38, ((order[2] ?? 0) << 4) | 0x01],
    [0x3d, (order[0] ?? 0) | ((order[1] ?? 0) << 4)],
    [0x5b, 0],
    [0x5c, 0],
    [0x5d, 0],
    [0x5f, 0],
  ]);
}
