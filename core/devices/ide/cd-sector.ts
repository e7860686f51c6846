/**
 * Raw CD-ROM sectors: sync, header, EDC and ECC around 2048 bytes of user data.
 * Document: ECMA-130 (2nd edition), clauses 14 and annexes A and B (mode 1).
 */
import { toMsf } from './mmc';

export const RAW_SECTOR_BYTES = 2352;
const HEADER = 12;
const USER_DATA = 16;
const EDC = 2064;
const P_PARITY = 2076;
const Q_PARITY = 2248;
const MODE_1 = 1;

/** EDC polynomial (x^16+x^15+x^2+1)(x^16+x^2+x+1), bit-reversed. */
const EDC_POLYNOMIAL = 0xd801_8001;

const edcTable = Uint32Array.from({ length: 256 }, (_, i) => {
  let value = i;
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? EDC_POLYNOMIAL : 0);
  return value;
});

/** Multiplication by alpha in GF(2^8) with x^8+x^4+x^3+x^2+1, and the inverse of multiplication by (alpha + 1). */
const timesAlpha = Uint8Array.from({ length: 256 }, (_, i) => (i << 1) ^ (i & 0x80 ? 0x11d : 0));
const overAlphaPlusOne = new Uint8Array(256);
for (let i = 0; i < 256; i++) overAlphaPlusOne[i ^ timesAlpha[i]] = i;

/** Reed-Solomon parity over `vectors` vectors of `length` bytes, laid out as annex A says. */
function parity(
  sector: Uint8Array,
  target: number,
  vectors: number,
  length: number,
  stride: number,
  step: number,
): void {
  const size = vectors * length;
  for (let v = 0; v < vectors; v++) {
    let at = (v >> 1) * stride + (v & 1);
    let weighted = 0;
    let plain = 0;
    for (let i = 0; i < length; i++) {
      const byte = sector[HEADER + at];
      at += step;
      if (at >= size) at -= size;
      weighted = timesAlpha[weighted ^ byte];
      plain ^= byte;
    }
    weighted = overAlphaPlusOne[timesAlpha[weighted] ^ plain];
    sector[target + v] = weighted;
    sector[target + v + vectors] = weighted ^ plain;
  }
}

const bcd = (n: number): number => (Math.floor(n / 10) << 4) | (n % 10);

/** Writes the mode 1 sector of block `lba` with this user data to `sector`. */
export function buildRawSector(sector: Uint8Array, lba: number, userData: Uint8Array): void {
  sector.fill(0, 0, RAW_SECTOR_BYTES);
  sector.fill(0xff, 1, 11);
  const [minute, second, frame] = toMsf(lba);
  sector.set([bcd(minute % 100), bcd(second), bcd(frame), MODE_1], HEADER);
  sector.set(userData, USER_DATA);
  let edc = 0;
  for (let i = 0; i < EDC; i++) edc = (edc >>> 8) ^ edcTable[(edc ^ sector[i]) & 0xff];
  for (let i = 0; i < 4; i++) sector[EDC + i] = edc >>> (8 * i);
  parity(sector, P_PARITY, 86, 24, 2, 86);
  parity(sector, Q_PARITY, 52, 43, 86, 88);
}
