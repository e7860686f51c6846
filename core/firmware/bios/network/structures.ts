/**
 * What the network boot services keep in the guest's memory: the structures !PXE and PXENV+ by which boot programs find
 * the API, the cached DHCP packets, the buffer of received frames. All of it lies below the EBDA (PXE_BASE).
 * Spec: PXE 2.1, sections 3.1.1 and 3.1.2.
 */
import type { GuestMemory } from '../../../hw';
import { PXE_BASE, PXE_LENGTH } from '../../memory-map';
import type { RomCode } from '../rom-code';
import { ROM_SEGMENT } from '../rom-code';
import { MAX_CACHED_BYTES } from './dhcp-client';

export const PXE_SEGMENT = PXE_BASE >> 4;

/** Offsets in the segment. */
export const BANGPXE = 0x0000;
export const PXENV = 0x0060;
/** Received frames, for UNDI_ISR. */
export const FRAME_BUFFER = 0x0100;
/** DHCPDISCOVER; DHCPACK; the message with the boot file: each behind its length. */
const CACHED = [0x0700, 0x0900, 0x0e00] as const;
const CACHED_BYTES = [0x0200, MAX_CACHED_BYTES + 2, MAX_CACHED_BYTES + 2] as const;

const BANGPXE_BYTES = 0x58;
const PXENV_BYTES = 0x2c;
const API_VERSION = 0x0201;

function text(memory: GuestMemory, gpa: number, value: string): void {
  memory.write(
    gpa,
    Uint8Array.from(value, (c) => c.charCodeAt(0)),
  );
}

/** Makes the bytes of a structure add up to zero. */
function seal(memory: GuestMemory, gpa: number, length: number, checksumAt: number): void {
  const sum = memory.read(gpa, length).reduce((total, byte) => total + byte, 0);
  memory.writeU8(gpa + checksumAt, -sum & 0xff);
}

export function writeStructures(memory: GuestMemory, code: RomCode): void {
  memory.fill(PXE_BASE, PXE_LENGTH, 0);
  const bang = PXE_BASE + BANGPXE;
  text(memory, bang, '!PXE');
  memory.writeU8(bang + 0x04, BANGPXE_BYTES);
  memory.writeU16(bang + 0x10, code.pxeEntry);
  memory.writeU16(bang + 0x12, ROM_SEGMENT);
  // No entry for protected mode at 14h. StatusCallout: nobody to call.
  memory.writeU32(bang + 0x18, 0xffff_ffff);
  memory.writeU8(bang + 0x1d, 7);
  memory.writeU16(bang + 0x1e, 0);
  // Stack, UNDI data, code, writable code, base code data, code, writable code: the code is in the ROM, all else here.
  for (let i = 0; i < 7; i++) {
    const at = bang + 0x20 + i * 8;
    memory.writeU16(at, PXE_SEGMENT);
    memory.writeU32(at + 2, PXE_BASE);
    memory.writeU16(at + 6, PXE_LENGTH);
  }
  seal(memory, bang, BANGPXE_BYTES, 0x05);

  const env = PXE_BASE + PXENV;
  text(memory, env, 'PXENV+');
  memory.writeU16(env + 0x06, API_VERSION);
  memory.writeU8(env + 0x08, PXENV_BYTES);
  memory.writeU16(env + 0x0a, code.pxenvEntry);
  memory.writeU16(env + 0x0c, ROM_SEGMENT);
  // Stack, base code code and data, UNDI data and code: segment and size.
  for (const at of [0x14, 0x18, 0x1c, 0x20, 0x24]) {
    memory.writeU16(env + at, PXE_SEGMENT);
    memory.writeU16(env + at + 2, PXE_LENGTH);
  }
  memory.writeU16(env + 0x28, BANGPXE);
  memory.writeU16(env + 0x2a, PXE_SEGMENT);
  seal(memory, env, PXENV_BYTES, 0x09);
}

/** Takes the signatures away, for who searches memory for them. */
export function clearStructures(memory: GuestMemory): void {
  memory.fill(PXE_BASE + BANGPXE, 4, 0);
  memory.fill(PXE_BASE + PXENV, 6, 0);
}

/** Room for a packet of GET_CACHED_INFO: 1 DHCPDISCOVER, 2 DHCPACK, 3 the message with the boot file. */
export function cachedPacket(type: number): { offset: number; bytes: number } | undefined {
  const offset = CACHED[type - 1];
  return offset === undefined ? undefined : { offset, bytes: CACHED_BYTES[type - 1] };
}
