/**
 * Booting from the network: DHCP, the boot program by TFTP to 0000:7C00, and the PXE services it then finds.
 * Specs: Preboot Execution Environment 2.1; BIOS Boot Specification 1.01.
 * Missing: booting by HTTP, boot menus (PXE option 43).
 */
import type { Clock, GuestMemory } from '../../../hw';
import { formatIp, formatMac } from '../../../net';
import { uuidBytes } from '../../smbios';
import { CONVENTIONAL_KIB, EBDA_BASE, PXE_BASE } from '../../memory-map';
import * as bda from '../bda';
import type { ServiceCall } from '../call';
import type { BiosMemory } from '../memory';
import type { BiosNetworkCard } from '../platform-api';
import { ROM_SEGMENT, type RomCode } from '../rom-code';
import type { PciConfig } from '../system/pci';
import { DhcpClient, type DhcpResult, type DhcpState } from './dhcp-client';
import { framedPacket, PxeApi, type PxeCallState } from './pxe-api';
import {
  BANGPXE,
  cachedPacket,
  clearStructures,
  PXE_SEGMENT,
  PXENV,
  writeStructures,
} from './structures';
import { MAX_BLOCK_BYTES, TftpClient, type TftpFailure, type TftpState } from './tftp-client';
import { TftpServices, type TftpServicesState } from './tftp-services';
import { UdpLink, type LinkState } from './udp-link';
import { UdpServices } from './udp-services';
import { Undi, type UndiState } from './undi';

const BOOT_ADDRESS = 0x7c00;
/** Stack of the boot program: below it, as the BIOS has it (PXE 2.1 asks for 1.5 KiB). */
const STACK_TOP = 0x7bf0;
const FLAGS_AT_BOOT = 0x0202;
/** AX of INT 1Ah that asks for PXENV+, and that of the answer. */
export const INT1A_PXE = 0x5650;
const INT1A_FOUND = 0x564e;
const IDLE_NS = 5_000_000;
const ESCAPE = 0x011b;

const DHCP_FAILURES = {
  'no-offer': 'PXE-E51: no DHCP server answers',
  'no-boot-file': 'PXE-E53: the DHCP server names no boot file',
  'no-answer': 'PXE-E51: the DHCP server does not answer any more',
  refused: 'PXE-E52: the DHCP server refuses an address',
} as const;

function tftpFailure(failure: TftpFailure, fileName: string): string {
  switch (failure.reason) {
    case 'no-arp':
      return 'PXE-E11: the boot server does not answer ARP';
    case 'open-timeout':
      return 'PXE-E32: the boot server does not answer';
    case 'read-timeout':
      return `PXE-E35: the boot server stopped in the middle of ${fileName}`;
    case 'bad-packet':
      return 'PXE-E33: the boot server does not keep to TFTP';
    case 'not-found':
      return `PXE-E3B: the boot server has no ${fileName}`;
    case 'denied':
      return `PXE-E3C: the boot server does not give ${fileName}`;
    case 'error':
      return `PXE-E36: the boot server says: ${failure.text || 'error'}`;
  }
}

export interface NetworkBootState {
  phase: 'dhcp' | 'tftp' | 'ready' | 'unloaded';
  /** Index of the card. */
  card: number;
  fileName: string;
  loaded: number;
  link: LinkState;
  dhcp: DhcpState | null;
  tftp: TftpState | null;
  tftpServices: TftpServicesState;
  udpOpen: boolean;
  undi: UndiState;
  call: PxeCallState | null;
}

export interface NetworkBootParts {
  readonly memory: GuestMemory;
  readonly biosMemory: BiosMemory;
  readonly clock: Clock;
  readonly cards: readonly BiosNetworkCard[];
  readonly pci: PciConfig;
  readonly code: RomCode;
  /** Of the machine, for DHCP. */
  readonly uuid: string;
  readonly idle: (ns: number) => void;
  /** Oldest key code, taken. */
  readonly key: () => number | undefined;
  /** Tells what INT 15h E820h reports as the end of conventional memory. */
  readonly setConventionalEnd: (gpa: number) => void;
}

/** One card's network boot, from DHCP to the end of the boot program. */
interface Session {
  readonly index: number;
  readonly card: BiosNetworkCard;
  readonly link: UdpLink;
  readonly dhcp: DhcpClient;
  readonly tftp: TftpClient;
  readonly tftpServices: TftpServices;
  readonly udp: UdpServices;
  readonly undi: Undi;
  readonly api: PxeApi;
  phase: NetworkBootState['phase'];
  fileName: string;
  loaded: number;
}

/** What `step` says: working, a line for the screen, ready to run, or why it failed. */
export type BootStep =
  | { readonly kind: 'busy' }
  | { readonly kind: 'progress'; readonly text: string }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly reason: string };

const BUSY: BootStep = { kind: 'busy' };

export class NetworkBoot {
  private session: Session | undefined;

  constructor(private readonly parts: NetworkBootParts) {}

  /** A boot from the network is being prepared. */
  get isBooting(): boolean {
    return this.session?.phase === 'dhcp' || this.session?.phase === 'tftp';
  }

  get cardCount(): number {
    return this.parts.cards.length;
  }

  /** Starts over with a card. Its MAC address, or why it cannot be. */
  begin(index: number): { readonly name: string } | { readonly reason: string } {
    this.close();
    const card = this.parts.cards[index];
    if (!card) return { reason: 'this machine has no network card' };
    if (!card.linkUp) return { reason: `PXE-E61: no cable is plugged into ${formatMac(card.mac)}` };
    this.session = this.open(index);
    this.session.card.claim();
    this.session.dhcp.begin();
    return { name: formatMac(this.session.card.mac) };
  }

  /** Goes on. After `busy` the processor may rest; interrupts must get their turn. */
  step(): BootStep {
    const { session } = this;
    if (!session || !this.isBooting) return this.fail('it was not started');
    for (let key = this.parts.key(); key !== undefined; key = this.parts.key())
      if (key === ESCAPE) return this.fail('Esc was pressed');
    if (!session.card.linkUp) return this.fail('PXE-E61: the cable was pulled');
    const step = session.phase === 'dhcp' ? this.stepDhcp(session) : this.stepTftp(session);
    if (step.kind === 'busy') this.parts.idle(IDLE_NS);
    return step;
  }

  /** Hands the machine to the boot program: registers, stack and IRET frame as PXE 2.1 section 4.4.5 has them. */
  enter(call: ServiceCall, service: number): void {
    const { biosMemory, code } = this.parts;
    const frame = STACK_TOP - 16;
    const words = [
      service,
      BOOT_ADDRESS,
      0,
      FLAGS_AT_BOOT,
      // The far address that the program returns to, and !PXE.
      code.bootNext,
      ROM_SEGMENT,
      BANGPXE,
      PXE_SEGMENT,
    ];
    call.setSegment('ss', 0);
    call.registers.set16('rsp', frame);
    words.forEach((word, i) => biosMemory.writeU16(frame + i * 2, word));
    call.begin();
    call.setSegment('es', PXE_SEGMENT);
    call.bx = PXENV;
    call.dx = 0;
  }

  /** PXE API. Returns the ROM's next action. */
  handle(call: ServiceCall, service: number, retry: boolean): number | undefined {
    return this.session?.api.handle(call, service, retry);
  }

  /** INT 1Ah AX=5650h: where PXENV+ is. False when there is none. */
  find(call: ServiceCall): boolean {
    if (this.session?.phase !== 'ready') return false;
    call.ax = INT1A_FOUND;
    call.setSegment('es', PXE_SEGMENT);
    call.bx = PXENV;
    call.carry = false;
    return true;
  }

  /** The end of everything: the card and the memory are given back. */
  close(): void {
    if (!this.session) return;
    this.session.card.release();
    this.session = undefined;
    this.giveMemoryBack();
    const { memory } = this.parts;
    if (memory.readU16(bda.MEMORY_KIB) === PXE_BASE / 1024)
      memory.writeU16(bda.MEMORY_KIB, CONVENTIONAL_KIB);
  }

  save(): NetworkBootState | null {
    const { session } = this;
    return (
      (session && {
        phase: session.phase,
        card: session.index,
        fileName: session.fileName,
        loaded: session.loaded,
        link: session.link.state,
        dhcp: session.dhcp.state,
        tftp: session.tftp.state,
        tftpServices: session.tftpServices.state,
        udpOpen: session.udp.isOpen,
        undi: session.undi.state,
        call: session.api.state,
      }) ??
      null
    );
  }

  restore(state: NetworkBootState | null): void {
    this.session?.card.release();
    this.session = undefined;
    this.parts.setConventionalEnd(EBDA_BASE);
    if (!state || !this.parts.cards[state.card]) return;
    const session = this.open(state.card);
    Object.assign(session, {
      phase: state.phase,
      fileName: state.fileName,
      loaded: state.loaded,
    });
    session.link.state = state.link;
    session.dhcp.state = state.dhcp;
    session.tftp.state = state.tftp;
    session.tftpServices.state = state.tftpServices;
    session.udp.isOpen = state.udpOpen;
    session.undi.state = state.undi;
    session.api.state = state.call;
    this.session = session;
    session.card.claim();
    if (state.phase === 'ready') this.parts.setConventionalEnd(PXE_BASE);
  }

  private open(index: number): Session {
    const { cards, clock, biosMemory, pci, idle, uuid } = this.parts;
    const card = cards[index];
    const now = (): number => clock.now;
    const link = new UdpLink(card, now);
    const tftp = new TftpClient(link, now);
    const tftpServices = new TftpServices(tftp, biosMemory);
    const udp = new UdpServices(link, biosMemory, now);
    const undi = new Undi(card, biosMemory, pci, () => this.giveMemoryBack());
    const unload = (): void => this.unload();
    const api = new PxeApi({
      memory: biosMemory,
      clock,
      tftp: tftpServices,
      udp,
      undi,
      idle,
      unload,
    });
    const dhcp = new DhcpClient(link, now, uuidBytes(uuid));
    return {
      ...{ index, card, link, dhcp, tftp, tftpServices, udp, undi, api },
      phase: 'dhcp',
      fileName: '',
      loaded: 0,
    };
  }

  private fail(reason: string): BootStep {
    this.close();
    return { kind: 'failed', reason };
  }

  private stepDhcp(session: Session): BootStep {
    const result = session.dhcp.step();
    if (result === 'busy') return BUSY;
    if (typeof result === 'string') return this.fail(DHCP_FAILURES[result]);
    this.prepare(result);
    session.phase = 'tftp';
    session.fileName = result.fileName.replace(/[^ -~]/g, '?');
    session.tftp.begin({
      server: result.server,
      router: session.link.state.router,
      fileName: result.fileName,
      blockBytes: MAX_BLOCK_BYTES,
    });
    const { address } = session.link.state;
    const text = `${formatIp(address)}, ${session.fileName} from ${formatIp(result.server)}... `;
    return { kind: 'progress', text };
  }

  /** Structures and cached packets, where memory is kept for them from now on. */
  private prepare({ discover, acknowledge, boot }: DhcpResult): void {
    const { memory, code, setConventionalEnd } = this.parts;
    memory.writeU16(bda.MEMORY_KIB, PXE_BASE / 1024);
    setConventionalEnd(PXE_BASE);
    writeStructures(memory, code);
    [discover, acknowledge, boot].forEach((packet, i) => {
      const place = cachedPacket(i + 1);
      if (place)
        memory.write(PXE_BASE + place.offset, framedPacket(packet.subarray(0, place.bytes - 2)));
    });
  }

  private stepTftp(session: Session): BootStep {
    const { tftp } = session;
    const tooLarge = (): BootStep =>
      this.fail(`PXE-E79: ${session.fileName} does not fit into conventional memory`);
    for (;;) {
      const step = tftp.step();
      const { state } = tftp;
      if (!state) return this.fail('it was stopped');
      if (step === 'failed')
        return this.fail(tftpFailure(state.failure ?? { reason: 'bad-packet' }, session.fileName));
      const room = PXE_BASE - BOOT_ADDRESS;
      if (state.sizeBytes > room) {
        tftp.abort();
        return tooLarge();
      }
      if (step !== 'block' || !state.block) return BUSY;
      if (session.loaded + state.block.length > room) {
        tftp.abort();
        return tooLarge();
      }
      this.parts.memory.write(BOOT_ADDRESS + session.loaded, state.block);
      session.loaded += state.block.length;
      if (!tftp.acknowledge()) continue;
      if (session.loaded === 0) return this.fail(`PXE-E36: ${session.fileName} is empty`);
      tftp.abort();
      session.phase = 'ready';
      return { kind: 'ready' };
    }
  }

  /** UNLOAD_STACK: nobody finds the services any more; UNDI goes on for who knows its entry. */
  private unload(): void {
    const { session } = this;
    if (!session) return;
    session.phase = 'unloaded';
    session.tftpServices.reset();
    session.udp.reset();
    clearStructures(this.parts.memory);
  }

  private giveMemoryBack(): void {
    this.parts.setConventionalEnd(EBDA_BASE);
    clearStructures(this.parts.memory);
  }
}
