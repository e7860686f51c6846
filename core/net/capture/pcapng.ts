/**
 * pcapng, draft-ietf-opsawg-pcapng: section header, one interface description and enhanced packet blocks, little
 * endian, nanosecond stamps. Missing: name resolution, statistics and decryption blocks.
 */
const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const LINKTYPE_ETHERNET = 1;

const OPTION_END = 0;
const OPTION_APPLICATION = 4;
const OPTION_IF_NAME = 2;
const OPTION_IF_TSRESOL = 9;
const OPTION_EPB_FLAGS = 2;
/** epb_flags, bits 0 and 1: direction as the guest's card sees it. */
const FLAG_INBOUND = 1;
const FLAG_OUTBOUND = 2;

function pad(length: number): number {
  return (length + 3) & ~3;
}

/** UTF-8 of printable ASCII; other characters become '?'. */
function text(value: string): Uint8Array {
  return Uint8Array.from(value.slice(0, 255), (c) => {
    const code = c.charCodeAt(0);
    return code >= 0x20 && code < 0x7f ? code : 0x3f;
  });
}

function option(code: number, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + pad(data.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, code, true);
  view.setUint16(2, data.length, true);
  bytes.set(data, 4);
  return bytes;
}

function block(type: number, ...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = parts.reduce((sum, part) => sum + part.length, 12);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  let at = 8;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  view.setUint32(length - 4, length, true);
  return bytes;
}

const END = option(OPTION_END, new Uint8Array());

/** What a capture file starts with. `name` is the interface as tools show it. */
export function pcapngHeader(name: string, application: string): Uint8Array<ArrayBuffer> {
  const section = new Uint8Array(16);
  const view = new DataView(section.buffer);
  view.setUint32(0, BYTE_ORDER_MAGIC, true);
  view.setUint16(4, 1, true);
  view.setInt32(8, -1, true);
  view.setInt32(12, -1, true);
  const link = new Uint8Array(8);
  new DataView(link.buffer).setUint16(0, LINKTYPE_ETHERNET, true);
  const head = block(SECTION_HEADER, section, option(OPTION_APPLICATION, text(application)), END);
  const description = block(
    INTERFACE_DESCRIPTION,
    link,
    option(OPTION_IF_NAME, text(name)),
    option(OPTION_IF_TSRESOL, Uint8Array.of(9)),
    END,
  );
  const bytes = new Uint8Array(head.length + description.length);
  bytes.set(head);
  bytes.set(description, head.length);
  return bytes;
}

/** One frame. `atMs` is wall time since 1970, with fractions; `fromGuest` its direction. */
export function pcapngPacket(
  frame: Uint8Array,
  atMs: number,
  fromGuest: boolean,
): Uint8Array<ArrayBuffer> {
  const stamp = BigInt(Math.round(atMs * 1000)) * 1000n;
  const body = new Uint8Array(20 + pad(frame.length));
  const view = new DataView(body.buffer);
  view.setUint32(4, Number(stamp >> 32n), true);
  view.setUint32(8, Number(stamp & 0xffffffffn), true);
  view.setUint32(12, frame.length, true);
  view.setUint32(16, frame.length, true);
  body.set(frame, 20);
  const flags = new Uint8Array(4);
  new DataView(flags.buffer).setUint32(0, fromGuest ? FLAG_OUTBOUND : FLAG_INBOUND, true);
  return block(ENHANCED_PACKET, body, option(OPTION_EPB_FLAGS, flags), END);
}
