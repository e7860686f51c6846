/** Frames for tests of network cards, with right checksums worked out the slow way. */

export function mac(text: string): number[] {
  return text.split(':').map((part) => Number.parseInt(part, 16));
}

/** Ones' complement sum over bytes (RFC 1071), folded. */
export function onesSum(bytes: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

export interface TcpFrame {
  readonly destination: readonly number[];
  readonly source: readonly number[];
  readonly sequence: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

/** Ethernet, IPv4 and TCP from 10.0.2.15:1000 to 10.0.2.2:80. `partial`: checksums as a driver leaves them for an offloading card. */
export function tcpFrame(parts: TcpFrame, partial = false): Uint8Array {
  const { destination, source, sequence, flags, payload } = parts;
  const frame = new Uint8Array(54 + payload.length);
  const view = new DataView(frame.buffer);
  frame.set(destination, 0);
  frame.set(source, 6);
  view.setUint16(12, 0x0800);
  frame.set([0x45, 0], 14);
  view.setUint16(16, (40 + payload.length) & 0xffff);
  view.setUint16(18, 0x1234);
  frame.set([0x40, 0, 64, 6], 20);
  frame.set([10, 0, 2, 15, 10, 0, 2, 2], 26);
  view.setUint16(34, 1000);
  view.setUint16(36, 80);
  view.setUint32(38, sequence);
  frame.set([0x50, flags], 46);
  view.setUint16(48, 0xffff);
  frame.set(payload, 54);
  const length = 20 + payload.length;
  const pseudo = [...frame.subarray(26, 34), 0, 6, (length >> 8) & 0xff, length & 0xff];
  if (partial) {
    view.setUint16(50, onesSum(pseudo));
    return frame;
  }
  view.setUint16(24, ~onesSum(frame.subarray(14, 34)) & 0xffff);
  view.setUint16(50, ~onesSum([...pseudo, ...frame.subarray(34)]) & 0xffff);
  return frame;
}

/** Both checksums of an IPv4 TCP frame are right. */
export function isIntact(frame: Uint8Array): boolean {
  const total = (frame[16] << 8) | frame[17];
  const segment = frame.subarray(34, 14 + total);
  const pseudo = [...frame.subarray(26, 34), 0, 6, segment.length >> 8, segment.length & 0xff];
  return (
    14 + total === frame.length &&
    onesSum(frame.subarray(14, 34)) === 0xffff &&
    onesSum([...pseudo, ...segment]) === 0xffff
  );
}

export const bytesOf = (count: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length: count }, (_, i) => (i * 7 + seed * 13 + (i >> 8)) & 0xff);
