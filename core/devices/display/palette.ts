/** Colours on screen: the attribute controller's palette and the DAC. */
import { AR_COLOR_SELECT, AR_MODE, AR_MODE_P54_SELECT, type VgaRegisters } from './vga-regs';

/** Pixels are 32-bit words X R G B, so that their bytes are B, G, R, X. */
export class Palette {
  /** By DAC index. */
  readonly dac = new Uint32Array(256);
  /** By attribute, through the palette registers. */
  readonly attribute = new Uint32Array(16);

  /** Works the colours out; true when one changed. */
  update(r: VgaRegisters, wideDac: boolean): boolean {
    let changed = false;
    for (let i = 0; i < 256; i++) {
      const at = (i & r.dacMask) * 3;
      const color = wideDac
        ? (r.dac[at] << 16) | (r.dac[at + 1] << 8) | r.dac[at + 2]
        : (expand(r.dac[at]) << 16) | (expand(r.dac[at + 1]) << 8) | expand(r.dac[at + 2]);
      if (this.dac[i] !== color) {
        this.dac[i] = color;
        changed = true;
      }
    }
    const select = r.attribute[AR_COLOR_SELECT];
    for (let i = 0; i < 16; i++) {
      const index =
        r.attribute[AR_MODE] & AR_MODE_P54_SELECT
          ? (r.attribute[i] & 0x0f) | ((select & 0x0f) << 4)
          : (r.attribute[i] & 0x3f) | ((select & 0x0c) << 4);
      const color = this.dac[index];
      if (this.attribute[i] !== color) {
        this.attribute[i] = color;
        changed = true;
      }
    }
    return changed;
  }
}

/** Six bits to eight, full scale staying full scale. */
function expand(six: number): number {
  return ((six & 0x3f) << 2) | ((six & 0x3f) >> 4);
}
