/** TFTP packets, RFC 1350; options by RFC 2347. */
import { put16 } from './bytes';

export const TFTP_PORT = 69;

export const TFTP_RRQ = 1;
export const TFTP_WRQ = 2;
export const TFTP_DATA = 3;
export const TFTP_ACK = 4;
export const TFTP_ERROR = 5;
export const TFTP_OACK = 6;

export const TFTP_NOT_DEFINED = 0;
export const TFTP_FILE_NOT_FOUND = 1;
export const TFTP_ACCESS_VIOLATION = 2;
export const TFTP_ILLEGAL_OPERATION = 4;
export const TFTP_UNKNOWN_TRANSFER_ID = 5;
export const TFTP_BAD_OPTION = 8;

/** Bytes before data or the text of an error. */
export const TFTP_HEADER = 4;
/** Of a transfer without the option blksize. */
export const TFTP_DEFAULT_BLOCK_BYTES = 512;
/** RFC 2348: the smallest blksize. */
export const TFTP_MIN_BLOCK_BYTES = 8;

function putText(packet: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) packet[at + i] = text.charCodeAt(i);
}

/** A request, or an OACK: strings that end with zero bytes, of characters below 256. */
export function buildTftpStrings(
  operation: number,
  strings: readonly string[],
): Uint8Array<ArrayBuffer> {
  const text = strings.map((each) => `${each}\0`).join('');
  const packet = new Uint8Array(2 + text.length);
  put16(packet, 0, operation);
  putText(packet, 2, text);
  return packet;
}

export function buildTftpError(code: number, text: string): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(TFTP_HEADER + text.length + 1);
  put16(packet, 0, TFTP_ERROR);
  put16(packet, 2, code);
  putText(packet, TFTP_HEADER, text);
  return packet;
}
