/**
 * TFTP server of a guest's network, for network boot. It only reads. RFC 1350, options by RFC 2347, 2348 (blksize) and
 * 2349 (timeout, tsize); block numbers go on at 0 after 65535. The guest is untrusted: names are taken apart by
 * `tftpPath`, and the folder decides what lies in it.
 * Missing: netascii, writing, multicast (RFC 2090), windowsize (RFC 7440).
 */
import {
  buildTftpError,
  buildTftpStrings,
  put16,
  sameAddress,
  TFTP_ACCESS_VIOLATION,
  TFTP_ACK,
  TFTP_BAD_OPTION,
  TFTP_DATA,
  TFTP_DEFAULT_BLOCK_BYTES,
  TFTP_ERROR,
  TFTP_FILE_NOT_FOUND,
  TFTP_HEADER,
  TFTP_ILLEGAL_OPERATION,
  TFTP_MIN_BLOCK_BYTES,
  TFTP_NOT_DEFINED,
  TFTP_OACK,
  TFTP_PORT,
  TFTP_RRQ,
  TFTP_UNKNOWN_TRANSFER_ID,
  TFTP_WRQ,
  u16,
} from '../wire';
import {
  MAX_TFTP_FILE_BYTES,
  MAX_TFTP_TRANSFERS,
  TFTP_READ_AHEAD_BYTES,
  TFTP_RETRIES,
  TFTP_TIMEOUT_MS,
} from './limits';

/** A block, its header, UDP and IP fill a packet of 1500 bytes (RFC 2348: a server may answer with less than was asked for). */
const MAX_BLOCK_BYTES = 1468;
/** RFC 2347: a request is at most 512 bytes. */
const MAX_REQUEST_BYTES = 512;
/** Source ports of transfers: above what well-known services have. */
const FIRST_PORT = 49152;
const PORTS = 16384;

/** A file that is being sent. */
export interface TftpFile {
  readonly sizeBytes: number;
  /** Fills `target` as far as the file goes and returns the count. */
  read(offset: number, target: Uint8Array<ArrayBuffer>): Promise<number>;
  close(): Promise<void>;
}

/** Where the files are. */
export interface TftpFolder {
  /** Opens a file below the folder by the parts of its path; never rejects. */
  open(path: readonly string[]): Promise<TftpFile | 'not-found' | 'denied'>;
}

/** Sends a datagram to the guest, from one of the server's addresses and ports. */
export type TftpSend = (
  server: Uint8Array,
  serverPort: number,
  client: Uint8Array,
  clientPort: number,
  bytes: Uint8Array,
) => void;

interface Transfer {
  readonly server: Uint8Array;
  readonly client: Uint8Array;
  readonly clientPort: number;
  readonly request: Request;
  file: TftpFile | undefined;
  blockBytes: number;
  timeoutMs: number;
  /** Number of the last block sent, not cut to 16 bits; 0: the options, which ACK 0 answers. */
  block: number;
  /** What was sent last; undefined while the file is opened or read. */
  packet: Uint8Array | undefined;
  sentAt: number;
  tries: number;
  /** Bytes of the file from `aheadAt` on. */
  ahead: Uint8Array;
  aheadAt: number;
}

interface Request {
  readonly name: string;
  readonly mode: string;
  readonly options: ReadonlyMap<string, string>;
}

/** The parts of a path below the folder; undefined for one that leads elsewhere or is none. Both slashes separate. */
export function tftpPath(name: string): readonly string[] | undefined {
  const parts = name.split(/[/\\]/).filter((part) => part !== '' && part !== '.');
  // No way up, no drives and streams of Windows, no control characters.
  const isBad = parts.some((part) => part === '..' || /[\u0000-\u001f\u007f:]/.test(part));
  return parts.length === 0 || isBad ? undefined : parts;
}

/** The strings of a request, each ended by a zero byte; undefined when one is not UTF-8 or the last has no end. */
function strings(bytes: Uint8Array): string[] | undefined {
  const found: string[] = [];
  let start = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] !== 0) continue;
    const part = Array.from(
      bytes.subarray(start, at),
      (b) => `%${b.toString(16).padStart(2, '0')}`,
    );
    try {
      found.push(decodeURIComponent(part.join('')));
    } catch {
      return undefined;
    }
    start = at + 1;
  }
  return start === bytes.length ? found : undefined;
}

function parseRequest(payload: Uint8Array): Request | undefined {
  if (payload.length > MAX_REQUEST_BYTES) return undefined;
  const [name, mode, ...rest] = strings(payload.subarray(2)) ?? [];
  if (name === undefined || mode === undefined) return undefined;
  const options = new Map<string, string>();
  for (let i = 0; i + 1 < rest.length; i += 2) options.set(rest[i].toLowerCase(), rest[i + 1]);
  return { name, mode: mode.toLowerCase(), options };
}

/** The value of an option between two bounds; undefined when it is absent or not a number from `min` on. */
function numberOf(text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value < min ? undefined : Math.min(value, max);
}

function sameRequest(a: Request, b: Request): boolean {
  const options = ({ options: map }: Request): string => JSON.stringify([...map]);
  return a.name === b.name && a.mode === b.mode && options(a) === options(b);
}

export class TftpServer {
  /** By the port that the server sends from. */
  private readonly transfers = new Map<number, Transfer>();
  private nextPort = 0;

  constructor(
    private readonly folder: TftpFolder,
    private readonly send: TftpSend,
    private readonly now: () => number,
  ) {}

  get size(): number {
    return this.transfers.size;
  }

  /** A datagram to port 69. */
  request(server: Uint8Array, client: Uint8Array, clientPort: number, payload: Uint8Array): void {
    if (payload.length < 2) return;
    const operation = u16(payload, 0);
    // Data, ACK and errors have nothing to do here; an error is never answered (RFC 1350 section 2).
    if (operation !== TFTP_RRQ && operation !== TFTP_WRQ) return;
    const request = parseRequest(payload);
    const refuse = (code: number, text: string): void =>
      this.error(server, TFTP_PORT, client, clientPort, code, text);
    if (!request) return refuse(TFTP_ILLEGAL_OPERATION, 'the request is malformed');
    if (operation === TFTP_WRQ)
      return refuse(TFTP_ACCESS_VIOLATION, 'this server does not take files');
    if (request.mode !== 'octet') return refuse(TFTP_NOT_DEFINED, 'only octet mode is served');
    const path = tftpPath(request.name);
    if (!path) return refuse(TFTP_ACCESS_VIOLATION, 'there is no such name below the folder');
    for (const [port, known] of this.transfers) {
      if (known.clientPort !== clientPort || !sameAddress(known.client, client)) continue;
      // The client did not hear the first answer.
      if (known.block <= 1 && sameRequest(known.request, request)) return this.repeat(port, known);
      this.end(port);
    }
    if (this.transfers.size >= MAX_TFTP_TRANSFERS)
      return refuse(TFTP_NOT_DEFINED, 'too many transfers at a time');
    this.begin(server.slice(), client.slice(), clientPort, request, path);
  }

  /** A datagram to another port of the gateway; true when it was one of a transfer's. */
  arrive(port: number, client: Uint8Array, clientPort: number, payload: Uint8Array): boolean {
    const transfer = this.transfers.get(port);
    if (!transfer) return false;
    const { server } = transfer;
    const isPeer = transfer.clientPort === clientPort && sameAddress(transfer.client, client);
    const operation = payload.length >= TFTP_HEADER ? u16(payload, 0) : 0;
    if (!isPeer) {
      if (operation !== TFTP_ERROR)
        this.error(server, port, client, clientPort, TFTP_UNKNOWN_TRANSFER_ID, 'unknown transfer');
      return true;
    }
    if (operation === TFTP_ACK) this.acknowledge(port, transfer, u16(payload, 2));
    else if (operation === TFTP_ERROR) this.end(port);
    else
      this.fail(port, transfer, TFTP_ILLEGAL_OPERATION, 'only ACK and ERROR are understood here');
    return true;
  }

  /** Sends again what was not answered in time, and gives up what never is. */
  tick(): void {
    const now = this.now();
    for (const [port, transfer] of this.transfers) {
      if (!transfer.packet || now - transfer.sentAt < transfer.timeoutMs) continue;
      if (++transfer.tries > TFTP_RETRIES) this.end(port);
      else this.repeat(port, transfer);
    }
  }

  clear(): void {
    for (const port of [...this.transfers.keys()]) this.end(port);
  }

  private begin(
    server: Uint8Array,
    client: Uint8Array,
    clientPort: number,
    request: Request,
    path: readonly string[],
  ): void {
    while (this.transfers.has(FIRST_PORT + this.nextPort))
      this.nextPort = (this.nextPort + 1) % PORTS;
    const port = FIRST_PORT + this.nextPort;
    this.nextPort = (this.nextPort + 1) % PORTS;
    const transfer: Transfer = {
      server,
      client,
      clientPort,
      request,
      file: undefined,
      blockBytes: TFTP_DEFAULT_BLOCK_BYTES,
      timeoutMs: TFTP_TIMEOUT_MS,
      block: 0,
      packet: undefined,
      sentAt: 0,
      tries: 0,
      ahead: new Uint8Array(),
      aheadAt: 0,
    };
    this.transfers.set(port, transfer);
    void this.folder.open(path).then((file) => {
      const isOpen = typeof file !== 'string';
      if (this.transfers.get(port) !== transfer) return isOpen ? close(file) : undefined;
      if (file === 'not-found')
        return this.fail(port, transfer, TFTP_FILE_NOT_FOUND, 'file not found');
      if (file === 'denied')
        return this.fail(port, transfer, TFTP_ACCESS_VIOLATION, 'access denied');
      transfer.file = file;
      if (file.sizeBytes > MAX_TFTP_FILE_BYTES)
        return this.fail(port, transfer, TFTP_NOT_DEFINED, 'the file is too large for TFTP');
      this.answer(port, transfer, file);
    });
  }

  /** The options that are taken, or the first block when none is. */
  private answer(port: number, transfer: Transfer, file: TftpFile): void {
    const { options } = transfer.request;
    const taken: string[] = [];
    const blockBytes = numberOf(options.get('blksize'), TFTP_MIN_BLOCK_BYTES, MAX_BLOCK_BYTES);
    if (options.has('blksize') && blockBytes === undefined)
      return this.fail(port, transfer, TFTP_BAD_OPTION, 'blksize is not a number from 8 on');
    if (blockBytes !== undefined) {
      transfer.blockBytes = blockBytes;
      taken.push('blksize', String(blockBytes));
    }
    const timeout = numberOf(options.get('timeout'), 1, Infinity);
    // RFC 2349: the value must be taken as it is or not at all.
    if (timeout !== undefined && timeout <= 255) {
      transfer.timeoutMs = timeout * 1000;
      taken.push('timeout', String(timeout));
    }
    if (options.has('tsize')) taken.push('tsize', String(file.sizeBytes));
    if (taken.length === 0) return this.sendBlock(port, transfer, 1);
    this.transmit(port, transfer, buildTftpStrings(TFTP_OACK, taken));
  }

  private acknowledge(port: number, transfer: Transfer, number: number): void {
    const { file, block, blockBytes, packet } = transfer;
    // Only what was sent last goes on; answering old ones would double every block from there (RFC 1123 4.2.3.1).
    if (!file || !packet || number !== (block & 0xffff)) return;
    const isLast = block > 0 && block * blockBytes > file.sizeBytes;
    if (isLast) return this.end(port);
    this.sendBlock(port, transfer, block + 1);
  }

  private sendBlock(port: number, transfer: Transfer, block: number): void {
    const { file, blockBytes, ahead, aheadAt } = transfer;
    if (!file) return;
    const offset = (block - 1) * blockBytes;
    const length = Math.min(blockBytes, file.sizeBytes - offset);
    transfer.block = block;
    transfer.packet = undefined;
    if (offset >= aheadAt && offset + length <= aheadAt + ahead.length) {
      const packet = new Uint8Array(TFTP_HEADER + length);
      put16(packet, 0, TFTP_DATA);
      put16(packet, 2, block & 0xffff);
      packet.set(ahead.subarray(offset - aheadAt, offset - aheadAt + length), TFTP_HEADER);
      return this.transmit(port, transfer, packet);
    }
    const target = new Uint8Array(Math.min(TFTP_READ_AHEAD_BYTES, file.sizeBytes - offset));
    void file.read(offset, target).then(
      (count) => {
        if (this.transfers.get(port) !== transfer || transfer.block !== block) return;
        if (count < length)
          return this.fail(port, transfer, TFTP_NOT_DEFINED, 'the file became shorter');
        transfer.ahead = target.subarray(0, count);
        transfer.aheadAt = offset;
        this.sendBlock(port, transfer, block);
      },
      () => this.fail(port, transfer, TFTP_NOT_DEFINED, 'the file cannot be read'),
    );
  }

  private transmit(port: number, transfer: Transfer, packet: Uint8Array): void {
    transfer.packet = packet;
    transfer.tries = 0;
    this.repeat(port, transfer);
  }

  private repeat(port: number, transfer: Transfer): void {
    const { server, client, clientPort, packet } = transfer;
    if (!packet) return;
    transfer.sentAt = this.now();
    this.send(server, port, client, clientPort, packet);
  }

  private fail(port: number, transfer: Transfer, code: number, text: string): void {
    if (this.transfers.get(port) !== transfer) return;
    this.end(port);
    this.error(transfer.server, port, transfer.client, transfer.clientPort, code, text);
  }

  private end(port: number): void {
    const transfer = this.transfers.get(port);
    this.transfers.delete(port);
    if (transfer?.file) close(transfer.file);
  }

  private error(
    server: Uint8Array,
    port: number,
    client: Uint8Array,
    clientPort: number,
    code: number,
    text: string,
  ): void {
    this.send(server, port, client, clientPort, buildTftpError(code, text));
  }
}

function close(file: TftpFile): void {
  file.close().catch(() => undefined);
}
