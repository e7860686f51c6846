/** Frame check sequence: CRC-32 of IEEE 802.3 3.2.9, bits reflected. */
import { crc32 } from '../../base';

export const FCS_BYTES = 4;
/** Shortest frame on the wire without FCS (802.3 4.2.3.3). */
export const MIN_FRAME_BYTES = 60;

/** A frame as it is on the wire: padded to the shortest length, FCS behind it; zeros there unless it `hasFcs`. */
export function wireFrame(frame: Uint8Array, hasFcs = true): Uint8Array<ArrayBuffer> {
  const length = Math.max(frame.length, MIN_FRAME_BYTES);
  const wire = new Uint8Array(length + FCS_BYTES);
  wire.set(frame);
  if (hasFcs) new DataView(wire.buffer).setUint32(length, crc32(wire.subarray(0, length)), true);
  return wire;
}
