/**
 * The 64-word Microwire EEPROM of an 82540EM.
 * Documents: Intel 317453-005, sections 5.3 and 5.6 (contents), 13.4.3 (EECD); 93C46 protocol.
 * Missing: erase and write instructions.
 */
import { EECD_CS, EECD_DI, EECD_DO, EECD_SK } from './e1000-regs';
import { MAC_BYTES } from './mac-address';

const WORDS = 64;
/** Words 0 to 3Fh add up to this (5.6.35). */
const CHECKSUM = 0xbaba;
/** Start bit, two bits of instruction and six of address. */
const COMMAND_BITS = 9;
const INSTRUCTION_READ = 6;

const WORD_INIT_CONTROL_1 = 0x0a;
const WORD_SUBSYSTEM_ID = 0x0b;
const WORD_SUBSYSTEM_VENDOR = 0x0c;
const WORD_DEVICE_ID = 0x0d;
const WORD_VENDOR_ID = 0x0e;
const WORD_INIT_CONTROL_2 = 0x0f;
const WORD_CHECKSUM = 0x3f;

/** What a board's maker puts into it: address and identity. */
export function eepromImage(mac: Uint8Array): Uint16Array {
  const words = new Uint16Array(WORDS).fill(0xffff);
  for (let i = 0; i < MAC_BYTES / 2; i++) words[i] = mac[2 * i] | (mac[2 * i + 1] << 8);
  words.fill(0, MAC_BYTES / 2, 0x0a);
  // Load subsystem and device IDs from here; internal PHY, full duplex by autonegotiation.
  words[WORD_INIT_CONTROL_1] = 0x6403;
  words[WORD_SUBSYSTEM_ID] = 0x001e;
  words[WORD_SUBSYSTEM_VENDOR] = 0x8086;
  words[WORD_DEVICE_ID] = 0x100e;
  words[WORD_VENDOR_ID] = 0x8086;
  words[WORD_INIT_CONTROL_2] = 0x3040;
  words[WORD_CHECKSUM] = 0;
  words[WORD_CHECKSUM] = CHECKSUM - words.reduce((sum, word) => sum + word, 0);
  return words;
}

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

/** The EEPROM behind the pins of EECD. */
export class Microwire {
  s: MicrowireState = idle();

  constructor(private readonly words: Uint16Array) {}

  reset(): void {
    this.s = idle();
  }

  /** EECD.DO as it stands. */
  get pins(): number {
    return (this.s.pins & ~EECD_DO) | (this.s.output ? EECD_DO : 0);
  }

  /** SK, CS and DI were written. */
  write(pins: number): void {
    const { s } = this;
    const rising = (pins & ~s.pins & EECD_SK) !== 0;
    s.pins = pins & (EECD_SK | EECD_CS | EECD_DI);
    if (!(pins & EECD_CS)) {
      this.s = { ...idle(), pins: s.pins };
      return;
    }
    if (!rising) return;
    if (s.reading) {
      const word = this.words[(s.position >> 4) & (WORDS - 1)];
      s.output = (word >> (15 - (s.position & 15))) & 1;
      s.position = (s.position + 1) & (WORDS * 16 - 1);
      return;
    }
    const bit = pins & EECD_DI ? 1 : 0;
    // Zeros before the start bit do not count.
    if (s.bits === 0 && bit === 0) return;
    s.command = ((s.command << 1) | bit) & 0x1ff;
    if (++s.bits < COMMAND_BITS) return;
    s.reading = s.command >> 6 === INSTRUCTION_READ;
    s.position = (s.command & (WORDS - 1)) * 16;
    s.output = s.reading ? 0 : 1;
    s.bits = s.command = 0;
  }
}

function idle(): MicrowireState {
  return { pins: 0, command: 0, bits: 0, reading: false, position: 0, output: 1 };
}
