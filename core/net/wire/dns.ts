/** DNS messages, RFC 1035 section 4, as far as a forwarding proxy reads and writes them. */
import { put16, put32, u16 } from './bytes';

export const DNS_PORT = 53;
export const DNS_A = 1;
export const DNS_PTR = 12;
export const DNS_AAAA = 28;
export const DNS_OPT = 41;
const CLASS_IN = 1;
const HEADER = 12;
const MAX_NAME_BYTES = 255;

export const DNS_FORMAT_ERROR = 1;
export const DNS_SERVER_FAILURE = 2;
export const DNS_NO_SUCH_NAME = 3;
export const DNS_NOT_IMPLEMENTED = 4;
export const DNS_REFUSED = 5;

const FLAG_RESPONSE = 0x8000;
const FLAG_TRUNCATED = 0x0200;
const FLAG_RECURSION_DESIRED = 0x0100;
const FLAG_RECURSION_AVAILABLE = 0x0080;

export interface DnsQuestion {
  /** Lower case, without a final dot; bytes outside printable ASCII as \DDD. */
  readonly name: string;
  readonly type: number;
  readonly isInternet: boolean;
  /** End of the question section. */
  readonly end: number;
}

/** Steps over a name; undefined when it runs out of the message. */
function skipName(bytes: Uint8Array, start: number): number | undefined {
  for (let at = start; at < bytes.length;) {
    const length = bytes[at];
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2 <= bytes.length ? at + 2 : undefined;
    if (length > 63) return undefined;
    at += 1 + length;
  }
  return undefined;
}

function labelText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) =>
    byte > 0x20 && byte < 0x7f && byte !== 0x2e && byte !== 0x5c
      ? String.fromCharCode(byte).toLowerCase()
      : `\\${String(byte).padStart(3, '0')}`,
  ).join('');
}

/** Reads a query with one question; undefined when it is not one. */
export function parseDnsQuery(message: Uint8Array): DnsQuestion | undefined {
  if (message.length < HEADER || (u16(message, 2) & 0xf800) !== 0) return undefined;
  if (u16(message, 4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63 || at - HEADER > MAX_NAME_BYTES) return undefined;
    if (length === 0) break;
    if (at + 1 + length > message.length) return undefined;
    labels.push(labelText(message.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  if (at + 5 > message.length) return undefined;
  return {
    name: labels.join('.'),
    type: u16(message, at + 1),
    isInternet: u16(message, at + 3) === CLASS_IN,
    end: at + 5,
  };
}

export interface DnsAnswer {
  readonly type: number;
  readonly data: Uint8Array;
}

/** An answer to `query`: its question, the records (all for the name asked), a response code. */
export function buildDnsAnswer(
  query: Uint8Array,
  question: DnsQuestion,
  code: number,
  answers: readonly DnsAnswer[] = [],
  ttlSeconds = 60,
): Uint8Array<ArrayBuffer> {
  const size = answers.reduce((sum, answer) => sum + 12 + answer.data.length, question.end);
  const message = new Uint8Array(size);
  message.set(query.subarray(0, question.end));
  const recursion = u16(query, 2) & FLAG_RECURSION_DESIRED;
  put16(message, 2, FLAG_RESPONSE | recursion | FLAG_RECURSION_AVAILABLE | code);
  put16(message, 6, answers.length);
  put32(message, 8, 0);
  let at = question.end;
  for (const { type, data } of answers) {
    put16(message, at, 0xc000 | HEADER);
    put16(message, at + 2, type);
    put16(message, at + 4, CLASS_IN);
    put32(message, at + 6, ttlSeconds);
    put16(message, at + 10, data.length);
    message.set(data, at + 12);
    at += 12 + data.length;
  }
  return message;
}

/** A name as it stands in a record. */
export function encodeDnsName(name: string): Uint8Array<ArrayBuffer> | undefined {
  const labels = name.replace(/\.$/, '').split('.');
  const bytes: number[] = [];
  for (const label of labels) {
    if (label.length === 0 || label.length > 63 || !/^[\x21-\x7e]+$/.test(label)) return undefined;
    bytes.push(label.length, ...Array.from(label, (c) => c.charCodeAt(0)));
  }
  if (bytes.length >= MAX_NAME_BYTES) return undefined;
  return Uint8Array.of(...bytes, 0);
}

/** The largest answer over UDP that the sender of `query` takes: 512, or what its OPT record says (RFC 6891). */
export function dnsUdpLimit(query: Uint8Array, question: DnsQuestion): number {
  const at = question.end;
  const isOpt =
    u16(query, 10) > 0 &&
    u16(query, 6) === 0 &&
    u16(query, 8) === 0 &&
    query.length >= at + 11 &&
    query[at] === 0 &&
    u16(query, at + 1) === DNS_OPT;
  return isOpt ? Math.min(4096, Math.max(512, u16(query, at + 3))) : 512;
}

/** The same answer without its records, marked as cut: the client asks again over TCP. */
export function truncateDns(message: Uint8Array, question: DnsQuestion): Uint8Array<ArrayBuffer> {
  const cut = message.slice(0, question.end);
  put16(cut, 2, u16(message, 2) | FLAG_TRUNCATED);
  put16(cut, 6, 0);
  put32(cut, 8, 0);
  return cut;
}

/**
 * Addresses in all A and AAAA records of a response; undefined when the message is malformed.
 */
export function dnsAddresses(message: Uint8Array): Uint8Array[] | undefined {
  if (message.length < HEADER) return undefined;
  let at = HEADER;
  for (let i = u16(message, 4); i > 0; i--) {
    const end = skipName(message, at);
    if (end === undefined) return undefined;
    at = end + 4;
  }
  const found: Uint8Array[] = [];
  for (let i = u16(message, 6) + u16(message, 8) + u16(message, 10); i > 0; i--) {
    const end = skipName(message, at);
    if (end === undefined || end + 10 > message.length) return undefined;
    const type = u16(message, end);
    const length = u16(message, end + 8);
    at = end + 10 + length;
    if (at > message.length) return undefined;
    const isAddress = (type === DNS_A && length === 4) || (type === DNS_AAAA && length === 16);
    if (isAddress) found.push(message.subarray(end + 10, at));
  }
  return found;
}

/** The address a reverse-lookup name stands for (RFC 1035 3.5, RFC 3596 2.5). */
export function addressOfPtrName(name: string): Uint8Array<ArrayBuffer> | undefined {
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name);
  if (v4) {
    const parts = [v4[4], v4[3], v4[2], v4[1]].map(Number);
    return parts.every((part) => part < 256) ? Uint8Array.from(parts) : undefined;
  }
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name);
  if (!v6) return undefined;
  const digits = (v6[1] ?? '').split('.').slice(0, 32).reverse();
  return Uint8Array.from({ length: 16 }, (_, i) =>
    parseInt(`${digits[2 * i] ?? '0'}${digits[2 * i + 1] ?? '0'}`, 16),
  );
}
