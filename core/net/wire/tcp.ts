/** TCP segments, RFC 9293 3.1, and the options RFC 7323 (window scale) and 3.7.1 (maximum segment size). */
import { addWords, finishChecksum, pseudoHeader } from './checksum';
import { put16, put32, u16, u32 } from './bytes';
import { IPPROTO_TCP, type IpPacket } from './ip';

export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_RST = 0x04;
export const TCP_PSH = 0x08;
export const TCP_ACK = 0x10;
export const TCP_HEADER = 20;
/** Header with the options of a SYN of ours: MSS (4), NOP, window scale (3). */
export const TCP_SYN_HEADER = 28;

const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_MSS = 2;
const OPTION_WINDOW_SCALE = 3;
/** RFC 7323 2.3: a larger shift counts as 14. */
const MAX_WINDOW_SHIFT = 14;

export interface TcpSegment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  /** As sent, not scaled. */
  readonly window: number;
  readonly payload: Uint8Array;
  /** Of a SYN only. */
  readonly mss?: number;
  readonly windowShift?: number;
}

interface SynOptions {
  mss?: number;
  windowShift?: number;
}

function parseOptions(bytes: Uint8Array, end: number): SynOptions {
  const options: SynOptions = {};
  for (let at = TCP_HEADER; at < end;) {
    const kind = bytes[at];
    if (kind === OPTION_END) break;
    if (kind === OPTION_NOP) {
      at++;
      continue;
    }
    const length = at + 1 < end ? bytes[at + 1] : 0;
    if (length < 2 || at + length > end) break;
    if (kind === OPTION_MSS && length === 4) options.mss = u16(bytes, at + 2);
    if (kind === OPTION_WINDOW_SCALE && length === 3)
      options.windowShift = Math.min(bytes[at + 2], MAX_WINDOW_SHIFT);
    at += length;
  }
  return options;
}

/** Reads the segment in an IP packet; undefined when header or checksum are wrong. Without `checked` the checksum may be anything. */
export function parseTcp(packet: IpPacket, checked = true): TcpSegment | undefined {
  const bytes = packet.payload;
  if (bytes.length < TCP_HEADER) return undefined;
  const header = (bytes[12] >> 4) * 4;
  if (header < TCP_HEADER || header > bytes.length) return undefined;
  if (checked) {
    const pseudo = pseudoHeader(packet.source, packet.destination, IPPROTO_TCP, bytes.length);
    if (finishChecksum(addWords(pseudo, bytes, 0, bytes.length)) !== 0) return undefined;
  }
  const flags = bytes[13];
  const segment: TcpSegment = {
    sourcePort: u16(bytes, 0),
    destinationPort: u16(bytes, 2),
    seq: u32(bytes, 4),
    ack: u32(bytes, 8),
    flags,
    window: u16(bytes, 14),
    payload: bytes.subarray(header),
  };
  return (flags & TCP_SYN) !== 0 ? { ...segment, ...parseOptions(bytes, header) } : segment;
}

/** Fields of a segment that is sent; the payload already lies behind the header. */
export interface TcpHeader {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly mss?: number;
  readonly windowShift?: number | undefined;
}

/** Bytes of the header that `writeTcpHeader` writes. */
export function tcpHeaderBytes(flags: number): number {
  return (flags & TCP_SYN) !== 0 ? TCP_SYN_HEADER : TCP_HEADER;
}

/** Writes the header at `at` and the checksum over it and `payloadLength` bytes behind it; with `partial` the pseudo header's sum instead, for a card that makes the rest. */
export function writeTcpHeader(
  frame: Uint8Array,
  at: number,
  header: TcpHeader,
  payloadLength: number,
  source: Uint8Array,
  destination: Uint8Array,
  partial = false,
): void {
  const length = tcpHeaderBytes(header.flags);
  put16(frame, at, header.sourcePort);
  put16(frame, at + 2, header.destinationPort);
  put32(frame, at + 4, header.seq);
  put32(frame, at + 8, header.ack);
  frame[at + 12] = (length / 4) << 4;
  frame[at + 13] = header.flags;
  put16(frame, at + 14, header.window);
  put32(frame, at + 16, 0);
  if (length === TCP_SYN_HEADER) {
    frame[at + 20] = OPTION_MSS;
    frame[at + 21] = 4;
    put16(frame, at + 22, header.mss ?? 0);
    const scaled = header.windowShift !== undefined;
    frame[at + 24] = OPTION_NOP;
    frame[at + 25] = scaled ? OPTION_WINDOW_SCALE : OPTION_NOP;
    frame[at + 26] = scaled ? 3 : OPTION_NOP;
    frame[at + 27] = header.windowShift ?? OPTION_NOP;
  }
  const total = length + payloadLength;
  const pseudo = pseudoHeader(source, destination, IPPROTO_TCP, total);
  if (partial) return put16(frame, at + 16, ~finishChecksum(pseudo));
  put16(frame, at + 16, finishChecksum(addWords(pseudo, frame, at, at + total)));
}

/** a - b in sequence space, RFC 9293 3.4: negative when `a` comes before `b`. */
export function seqDiff(a: number, b: number): number {
  return (a - b) | 0;
}
