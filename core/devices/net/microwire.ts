/**
 * A 64-word Microwire EEPROM (93C46), as network cards have them behind four pins.
 * Document: Microchip 93C46 data sheet. Missing: erase and write instructions.
 */

export const MICROWIRE_SK = 0x01;
export const MICROWIRE_CS = 0x02;
export const MICROWIRE_DI = 0x04;
export const MICROWIRE_DO = 0x08;
export const EEPROM_WORDS = 64;
/** Start bit, two bits of instruction and six of address. */
const COMMAND_BITS = 9;
const INSTRUCTION_READ = 6;

export interface MicrowireState {
  /** The four pins as last written. */
  pins: number;
  /** Bits of the command that came in, and how many. */
  command: number;
  bits: number;
  reading: boolean;
  /** Next bit to go out, from the first word's most significant bit on. */
  position: number;
  output: number;
}

/** The EEPROM behind its pins. */
export class Microwire {
  s: MicrowireState = idle();

  constructor(private readonly words: Uint16Array) {}

  reset(): void {
    this.s = idle();
  }

  /** The pins as they stand, DO among them. */
  get pins(): number {
    return (this.s.pins & ~MICROWIRE_DO) | (this.s.output ? MICROWIRE_DO : 0);
  }

  /** SK, CS and DI were written. */
  write(pins: number): void {
    const { s } = this;
    const rising = (pins & ~s.pins & MICROWIRE_SK) !== 0;
    s.pins = pins & (MICROWIRE_SK | MICROWIRE_CS | MICROWIRE_DI);
    if (!(pins & MICROWIRE_CS)) {
      this.s = { ...idle(), pins: s.pins };
      return;
    }
    if (!rising) return;
    if (s.reading) {
      const word = this.words[(s.position >> 4) & (EEPROM_WORDS - 1)];
      s.output = (word >> (15 - (s.position & 15))) & 1;
      s.position = (s.position + 1) & (EEPROM_WORDS * 16 - 1);
      return;
    }
    const bit = pins & MICROWIRE_DI ? 1 : 0;
    // Zeros before the start bit do not count.
    if (s.bits === 0 && bit === 0) return;
    s.command = ((s.command << 1) | bit) & 0x1ff;
    if (++s.bits < COMMAND_BITS) return;
    s.reading = s.command >> 6 === INSTRUCTION_READ;
    s.position = (s.command & (EEPROM_WORDS - 1)) * 16;
    s.output = s.reading ? 0 : 1;
    s.bits = s.command = 0;
  }
}

function idle(): MicrowireState {
  return { pins: 0, command: 0, bits: 0, reading: false, position: 0, output: 1 };
}
