/**
 * TFTP functions of the PXE API. Spec: PXE 2.1, section 3.4.
 * Missing: multicast in TFTP_READ_FILE, TFTP_READ_FILE_PMODE.
 */
import { TFTP_PORT, zeroTerminated } from '../../../net';
import type { BiosMemory } from '../memory';
import * as pxe from './pxe-codes';
import type { TftpClient, TftpFailure } from './tftp-client';
import { far, port, type Outcome } from './udp-services';

const NAME_BYTES = 128;

const FAILURES: Readonly<Record<TftpFailure['reason'], number>> = {
  'no-arp': pxe.STATUS_TFTP_CANNOT_ARP_ADDRESS,
  'open-timeout': pxe.STATUS_TFTP_OPEN_TIMEOUT,
  'read-timeout': pxe.STATUS_TFTP_READ_TIMEOUT,
  'bad-packet': pxe.STATUS_TFTP_UNKNOWN_OPCODE,
  'not-found': pxe.STATUS_TFTP_FILE_NOT_FOUND,
  denied: pxe.STATUS_TFTP_ACCESS_VIOLATION,
  error: pxe.STATUS_TFTP_ERROR_OPCODE,
};

export interface TftpServicesState {
  /** TFTP_OPEN was called. */
  isOpen: boolean;
  /** Where TFTP_READ_FILE writes next, and where it ends. */
  target: number;
  end: number;
  /** The last block was given. */
  ended: boolean;
}

export class TftpServices {
  state: TftpServicesState = { isOpen: false, target: 0, end: 0, ended: false };

  constructor(
    private readonly client: TftpClient,
    private readonly memory: BiosMemory,
  ) {}

  reset(): void {
    this.client.abort();
    this.state = { isOpen: false, target: 0, end: 0, ended: false };
  }

  /** TFTP_OPEN: waits for the server's answer. */
  open(parameters: number, again: boolean): Outcome {
    const { memory, state, client } = this;
    if (!again) {
      if (state.isOpen) return pxe.STATUS_TFTP_OPEN;
      const serverPort = port(memory, parameters + 138) || TFTP_PORT;
      this.ask(parameters, serverPort, memory.readU16(parameters + 140));
    }
    const step = client.step();
    if (step === 'busy') return undefined;
    if (step === 'failed' || !client.state) return this.failed();
    this.state = { isOpen: true, target: 0, end: 0, ended: false };
    memory.writeU16(parameters + 140, client.state.blockBytes);
    return pxe.STATUS_SUCCESS;
  }

  close(): number {
    if (!this.state.isOpen) return pxe.STATUS_TFTP_CLOSED;
    this.reset();
    return pxe.STATUS_SUCCESS;
  }

  /** TFTP_READ: the next block; one of no bytes behind the last. */
  read(parameters: number): Outcome {
    const { memory, client, state } = this;
    if (!state.isOpen || !client.state) return pxe.STATUS_TFTP_CLOSED;
    if (state.ended) {
      memory.writeU16(parameters + 4, 0);
      return pxe.STATUS_SUCCESS;
    }
    const step = client.step();
    if (step === 'failed') return this.failed();
    if (step !== 'block' || !client.state.block) return undefined;
    const { block, taken } = client.state;
    memory.writeU16(parameters + 2, (taken + 1) & 0xffff);
    memory.writeU16(parameters + 4, block.length);
    memory.write(far(memory, parameters + 6), block);
    state.ended = client.acknowledge();
    return pxe.STATUS_SUCCESS;
  }

  /** TFTP_READ_FILE: a whole file to a physical address. */
  readFile(parameters: number, again: boolean): Outcome {
    const { memory, client, state } = this;
    if (!again) {
      if (state.isOpen) return pxe.STATUS_TFTP_OPEN;
      this.reset();
      const target = memory.readU32(parameters + 134);
      this.state = { ...this.state, target, end: target + memory.readU32(parameters + 130) };
      client.begin({
        server: memory.read(parameters + 138, 4),
        router: memory.read(parameters + 142, 4),
        fileName: this.name(parameters + 2),
        serverPort: port(memory, parameters + 152) || TFTP_PORT,
        blockBytes: 0xffff,
      });
    }
    for (;;) {
      const step = client.step();
      if (step === 'failed') return this.failed();
      const block = client.state?.block;
      if (step !== 'block' || !block) return undefined;
      const { target, end } = this.state;
      if (target + block.length > end) {
        this.reset();
        return pxe.STATUS_TFTP_TOO_MANY_PACKAGES;
      }
      memory.physical.write(target, block);
      this.state.target += block.length;
      if (!client.acknowledge()) continue;
      memory.writeU32(parameters + 130, this.state.target - memory.readU32(parameters + 134));
      this.reset();
      return pxe.STATUS_SUCCESS;
    }
  }

  /** TFTP_GET_FSIZE: by the option tsize. */
  fileSize(parameters: number, again: boolean): Outcome {
    const { memory, client, state } = this;
    if (!again) {
      if (state.isOpen) return pxe.STATUS_TFTP_OPEN;
      this.ask(parameters, TFTP_PORT, 0);
    }
    const step = client.step();
    if (step === 'busy') return undefined;
    if (step === 'failed' || !client.state) return this.failed();
    const { sizeBytes } = client.state;
    this.reset();
    if (sizeBytes < 0) return pxe.STATUS_TFTP_NO_FILESIZE;
    memory.writeU32(parameters + 138, sizeBytes);
    return pxe.STATUS_SUCCESS;
  }

  /** Begins as the parameters of TFTP_OPEN and TFTP_GET_FSIZE say, which begin alike. */
  private ask(parameters: number, serverPort: number, blockBytes: number): void {
    this.reset();
    this.client.begin({
      server: this.memory.read(parameters + 2, 4),
      router: this.memory.read(parameters + 6, 4),
      fileName: this.name(parameters + 10),
      serverPort,
      blockBytes,
    });
  }

  private failed(): number {
    const failure = this.client.state?.failure;
    this.reset();
    return failure ? FAILURES[failure.reason] : pxe.STATUS_FAILURE;
  }

  private name(at: number): string {
    return zeroTerminated(this.memory.read(at, NAME_BYTES));
  }
}
