/**
 * Contents of the EEPROM of an 82540EM.
 * Document: Intel 317453-005, section 5.6.
 */
import { MAC_BYTES } from './mac-address';
import { EEPROM_WORDS } from './microwire';

/** Words 0 to 3Fh add up to this (5.6.35). */
const CHECKSUM = 0xbaba;
const WORD_INIT_CONTROL_1 = 0x0a;
const WORD_SUBSYSTEM_ID = 0x0b;
const WORD_SUBSYSTEM_VENDOR = 0x0c;
const WORD_DEVICE_ID = 0x0d;
const WORD_VENDOR_ID = 0x0e;
const WORD_INIT_CONTROL_2 = 0x0f;
const WORD_CHECKSUM = 0x3f;

/** What a board's maker puts into it: address and identity. */
export function eepromImage(mac: Uint8Array): Uint16Array {
  const words = new Uint16Array(EEPROM_WORDS).fill(0xffff);
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
