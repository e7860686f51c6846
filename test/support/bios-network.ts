/** A BIOS that boots from the NAT network: frames are carried by hand, time is the test's. */
import type { BiosDisk, BiosNetworkCard } from '../../core/firmware';
import type { TftpFile } from '../../core/net';
import { BiosBench, type CallResult } from './bios-board';
import { GUEST_MAC, NatLab } from './nat-lab';

const SPIN = 2;
const SERVICE_PXE = 0xf8;
/** Below the address that boot programs are loaded to. */
const STACK = 0x7000;
/** Where parameters of API calls lie: 2000:0000. */
export const PARAMETERS = 0x20000;
const NAT_MS = 50;

export function fileOf(bytes: Uint8Array): TftpFile {
  return {
    sizeBytes: bytes.length,
    read: async (offset, target) => {
      const part = bytes.subarray(offset, offset + target.length);
      target.set(part);
      return part.length;
    },
    close: async () => undefined,
  };
}

/** A card whose cable leads nowhere. */
const EMPTY_CARD: BiosNetworkCard = {
  mac: Uint8Array.of(0, 0x16, 0x3e, 0, 0, 9),
  slot: 4,
  linkUp: true,
  hasFrame: false,
  claim: () => undefined,
  release: () => undefined,
  send: () => undefined,
  receive: () => undefined,
};

class BenchCard implements BiosNetworkCard {
  readonly mac = GUEST_MAC;
  readonly slot = 3;

  constructor(private readonly bench: NetworkBench) {}

  get linkUp(): boolean {
    return this.bench.linkUp;
  }

  get hasFrame(): boolean {
    return this.bench.frames.length > 0;
  }

  claim(): void {
    this.bench.claims = 1;
  }

  release(): void {
    this.bench.claims = 0;
  }

  send(frame: Uint8Array): void {
    this.bench.sent.push(frame.slice());
    if (this.bench.connected) this.bench.lab.send(frame);
  }

  receive(): Uint8Array | undefined {
    return this.bench.frames.shift();
  }
}

export class NetworkBench {
  readonly files = new Map<string, Uint8Array>();
  readonly lab: NatLab;
  readonly bench: BiosBench;
  /** Frames of the firmware, as it sent them. */
  readonly sent: Uint8Array[] = [];
  linkUp = true;
  /** False: the network does not hear the firmware. */
  connected = true;
  claims = 0;
  readonly frames: Uint8Array[] = [];

  constructor(
    options: {
      /** A card without a network in front of the one that has it. */
      emptyCard?: boolean;
      bootFile?: string | null;
      bootOrder?: string;
      disks?: readonly BiosDisk[];
    } = {},
  ) {
    const { bootFile = 'boot.0', bootOrder = 'n', disks = [] } = options;
    const open = async (path: readonly string[]) => {
      const bytes = this.files.get(path.join('/'));
      return bytes ? fileOf(bytes) : ('not-found' as const);
    };
    this.lab = new NatLab(
      {},
      bootFile === null ? undefined : { fileName: bootFile, folder: { open } },
    );
    this.lab.filter = ({ frame }) => {
      if (this.claims > 0) this.frames.push(frame);
      return true;
    };
    this.bench = new BiosBench(disks, { bootOrder }, [
      ...(options.emptyCard === true ? [EMPTY_CARD] : []),
      new BenchCard(this),
    ]);
    this.bench.stack = STACK;
  }

  /** Lets `ms` pass for the guest and its network. */
  async pass(ms: number): Promise<void> {
    this.bench.clock.advance(ms * 1e6);
    this.lab.settle();
    for (let i = 0; i < 6; i++) await Promise.resolve();
    if (ms >= NAT_MS) this.lab.pass(ms);
    this.lab.settle();
  }

  /** INT 19h until the ROM is asked for something else than to call again. */
  async boot(stepMs = 1, service = 0x19): Promise<CallResult> {
    let result = this.bench.call(service);
    for (let i = 0; result.action === SPIN && i < 100_000; i++) {
      await this.pass(stepMs);
      result = this.bench.call(service, {}, true);
      // The boot program's stack is elsewhere: nothing was said at this one.
      if (this.bench.registers.get32('rsp') !== STACK) return result;
    }
    return result;
  }

  /** A call of the API by the entry of !PXE. Returns AX; the parameters are in memory. */
  async api(opcode: number, parameters: readonly number[], stepMs = 1): Promise<number> {
    const { memory } = this.bench;
    memory.write(PARAMETERS, Uint8Array.from(parameters));
    memory.writeU16(STACK + 8, opcode);
    memory.writeU16(STACK + 10, 0);
    memory.writeU16(STACK + 12, PARAMETERS >> 4);
    let result = this.bench.call(SERVICE_PXE);
    for (let i = 0; result.action === SPIN && i < 100_000; i++) {
      await this.pass(stepMs);
      result = this.bench.call(SERVICE_PXE, {}, true);
    }
    return this.bench.ax;
  }

  get status(): number {
    return this.bench.memory.readU16(PARAMETERS);
  }

  /** The screen as one text: long lines wrap in it. */
  get screen(): string {
    return this.bench
      .text()
      .map((row) => row.padEnd(80))
      .join('')
      .replace(/\s+/g, ' ');
  }
}
