/** DHCP messages, RFC 2131 section 2, and their options, RFC 2132. */
import { put16, put32, u16, u32, zeroTerminated } from './bytes';

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;

export const DHCPDISCOVER = 1;
export const DHCPOFFER = 2;
export const DHCPREQUEST = 3;
export const DHCPDECLINE = 4;
export const DHCPACK = 5;
export const DHCPNAK = 6;
export const DHCPRELEASE = 7;
export const DHCPINFORM = 8;

export const OPTION_SUBNET_MASK = 1;
export const OPTION_ROUTER = 3;
export const OPTION_DNS = 6;
export const OPTION_HOST_NAME = 12;
export const OPTION_DOMAIN_NAME = 15;
export const OPTION_INTERFACE_MTU = 26;
export const OPTION_BROADCAST = 28;
export const OPTION_REQUESTED_IP = 50;
export const OPTION_LEASE_TIME = 51;
export const OPTION_OVERLOAD = 52;
export const OPTION_MESSAGE_TYPE = 53;
export const OPTION_SERVER_ID = 54;
export const OPTION_PARAMETERS = 55;
export const OPTION_RENEWAL_TIME = 58;
export const OPTION_REBINDING_TIME = 59;
export const OPTION_VENDOR_CLASS = 60;
export const OPTION_CLIENT_ID = 61;
export const OPTION_TFTP_SERVER = 66;
export const OPTION_BOOT_FILE = 67;
export const OPTION_USER_CLASS = 77;
const OPTION_PAD = 0;
const OPTION_END = 255;

const BOOTREQUEST = 1;
const BOOTREPLY = 2;
const MAGIC = 0x63825363;
const OPTIONS_AT = 240;
/** RFC 1542 2.1: some clients take no shorter message. */
const MIN_REPLY_BYTES = 300;
const FLAG_BROADCAST = 0x8000;
/** Fields that have options instead of what they are for: bits of OPTION_OVERLOAD. */
const OVERLOAD_FILE = 1;
const OVERLOAD_NAME = 2;

/** Codes and data, in the order of the message. */
type DhcpOptions = readonly (readonly [number, Uint8Array])[];

export interface DhcpMessage {
  readonly xid: number;
  readonly broadcast: boolean;
  readonly clientAddress: Uint8Array;
  readonly relay: Uint8Array;
  readonly clientMac: Uint8Array;
  readonly type: number;
  readonly options: ReadonlyMap<number, Uint8Array>;
}

function readOptions(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: Map<number, Uint8Array>,
): void {
  for (let at = start; at < end;) {
    const code = bytes[at];
    if (code === OPTION_END) return;
    if (code === OPTION_PAD) {
      at++;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    if (at + 2 + length > end) return;
    if (!into.has(code)) into.set(code, bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
}

/** The options of a message over Ethernet, in all its fields; undefined when it is none of that operation. */
function optionsOf(bytes: Uint8Array, operation: number): Map<number, Uint8Array> | undefined {
  if (bytes.length < OPTIONS_AT || bytes[0] !== operation || bytes[1] !== 1 || bytes[2] !== 6)
    return undefined;
  if (u32(bytes, 236) !== MAGIC) return undefined;
  const options = new Map<number, Uint8Array>();
  readOptions(bytes, OPTIONS_AT, bytes.length, options);
  const overload = overloadOf(options);
  if (overload & OVERLOAD_FILE) readOptions(bytes, 108, 236, options);
  if (overload & OVERLOAD_NAME) readOptions(bytes, 44, 108, options);
  return options;
}

function overloadOf(options: ReadonlyMap<number, Uint8Array>): number {
  return options.get(OPTION_OVERLOAD)?.[0] ?? 0;
}

/** Reads a client's message over Ethernet; undefined when it is not a DHCP request. */
export function parseDhcp(bytes: Uint8Array): DhcpMessage | undefined {
  const options = optionsOf(bytes, BOOTREQUEST);
  if (!options) return undefined;
  const type = options.get(OPTION_MESSAGE_TYPE)?.[0];
  if (type === undefined) return undefined;
  return {
    xid: u32(bytes, 4),
    broadcast: (u16(bytes, 10) & FLAG_BROADCAST) !== 0,
    clientAddress: bytes.subarray(12, 16),
    relay: bytes.subarray(24, 28),
    clientMac: bytes.subarray(28, 34),
    type,
    options,
  };
}

export interface DhcpReply {
  readonly type: number;
  readonly yourAddress: Uint8Array;
  /** Next server of a network boot, or zero. */
  readonly server: Uint8Array;
  readonly bootFile: string;
  readonly options: DhcpOptions;
}

/** A message over Ethernet with what all of them have. */
function message(
  operation: number,
  { type, options }: { readonly type: number; readonly options: DhcpOptions },
  { xid, clientMac }: { readonly xid: number; readonly clientMac: Uint8Array },
  broadcast: boolean,
): Uint8Array<ArrayBuffer> {
  const list: number[] = [OPTION_MESSAGE_TYPE, 1, type];
  for (const [code, data] of options) list.push(code, data.length, ...data);
  list.push(OPTION_END);
  const bytes = new Uint8Array(Math.max(MIN_REPLY_BYTES, OPTIONS_AT + list.length));
  bytes[0] = operation;
  bytes[1] = 1;
  bytes[2] = 6;
  put32(bytes, 4, xid);
  put16(bytes, 10, broadcast ? FLAG_BROADCAST : 0);
  bytes.set(clientMac, 28);
  put32(bytes, 236, MAGIC);
  bytes.set(list, OPTIONS_AT);
  return bytes;
}

/** A server's answer to `request`. */
export function buildDhcpReply(request: DhcpMessage, reply: DhcpReply): Uint8Array<ArrayBuffer> {
  const bytes = message(BOOTREPLY, reply, request, request.broadcast);
  if (reply.type === DHCPACK) bytes.set(request.clientAddress, 12);
  bytes.set(reply.yourAddress, 16);
  bytes.set(reply.server, 20);
  bytes.set(request.relay, 24);
  for (let i = 0; i < reply.bootFile.length && i < 127; i++)
    bytes[108 + i] = reply.bootFile.charCodeAt(i);
  return bytes;
}

/** What a client sends. */
export interface DhcpRequest {
  readonly type: number;
  readonly xid: number;
  /** Since the client began. */
  readonly seconds: number;
  readonly clientMac: Uint8Array;
  readonly options: DhcpOptions;
}

/** A client's message that asks for an answer by broadcast, as one without an address must (RFC 2131 4.1). */
export function buildDhcpRequest(request: DhcpRequest): Uint8Array<ArrayBuffer> {
  const bytes = message(BOOTREQUEST, request, request, true);
  put16(bytes, 8, request.seconds);
  return bytes;
}

/** A server's message as its client sees it. */
export interface DhcpAnswerMessage {
  readonly xid: number;
  readonly yourAddress: Uint8Array;
  /** Next server of a network boot, or zero. */
  readonly server: Uint8Array;
  readonly clientMac: Uint8Array;
  /** Undefined for BOOTP. */
  readonly type: number | undefined;
  /** From the file field, or option 67 where that has options. */
  readonly bootFile: string;
  readonly options: ReadonlyMap<number, Uint8Array>;
}

/** Reads a server's answer over Ethernet; undefined when it is none. */
export function parseDhcpReply(bytes: Uint8Array): DhcpAnswerMessage | undefined {
  const options = optionsOf(bytes, BOOTREPLY);
  if (!options) return undefined;
  const isName = (overloadOf(options) & OVERLOAD_FILE) === 0;
  const field = isName ? zeroTerminated(bytes.subarray(108, 236)) : '';
  const option = options.get(OPTION_BOOT_FILE);
  return {
    xid: u32(bytes, 4),
    yourAddress: bytes.subarray(16, 20),
    server: bytes.subarray(20, 24),
    clientMac: bytes.subarray(28, 34),
    type: options.get(OPTION_MESSAGE_TYPE)?.[0],
    bootFile: field !== '' || option === undefined ? field : zeroTerminated(option),
    options,
  };
}
