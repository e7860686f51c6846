/**
 * The PXE API: what boot programs call through the entries of !PXE and PXENV+.
 * Spec: Preboot Execution Environment (PXE) 2.1, chapter 3 and 4.
 * Missing: RESTART_DHCP, RESTART_TFTP, MODE_SWITCH, TFTP_READ_FILE_PMODE, an entry for protected mode.
 */
import type { Clock } from '../../../hw';
import { put16, u16 } from '../../../net';
import { PXE_BASE } from '../../memory-map';
import type { ServiceCall } from '../call';
import type { BiosMemory } from '../memory';
import { DONE, SERVICE_PXE, SPIN } from '../rom-code';
import * as pxe from './pxe-codes';
import { cachedPacket, PXE_SEGMENT } from './structures';
import type { TftpServices } from './tftp-services';
import { far, type Outcome, type UdpServices } from './udp-services';
import type { Undi } from './undi';

/** Longest rest while a call waits, and while a boot program only asks whether something has come. */
const IDLE_NS = 5_000_000;
const POLL_IDLE_NS = 1_000_000;

export interface PxeApiParts {
  readonly memory: BiosMemory;
  readonly clock: Clock;
  readonly tftp: TftpServices;
  readonly udp: UdpServices;
  readonly undi: Undi;
  readonly idle: (ns: number) => void;
  /** The boot program does not need the services any more. */
  readonly unload: () => void;
}

export interface PxeCallState {
  /** A call that waits; 0 opcode for none. */
  opcode: number;
  parameters: number;
  startedNs: number;
  /** It is over with this status, but for a rest with interrupts on; -1 before. */
  restedWith: number;
}

export class PxeApi {
  /** The call that waits for the network, if one does. A call from an interrupt handler ends it. */
  state: PxeCallState | null = null;
  /** The last call found nothing. */
  private polled = false;

  constructor(private readonly parts: PxeApiParts) {}

  /** Runs a call. Returns the ROM's next action. */
  handle(call: ServiceCall, service: number, retry: boolean): number {
    // !PXE: function, offset and segment on the stack above FLAGS, IP and CS.
    const isStack = service === SERVICE_PXE;
    const opcode = isStack ? call.stackWord(8) : call.bx;
    const parameters = isStack
      ? call.stackWord(12) * 16 + call.stackWord(10)
      : call.linear('es', call.di);
    const same = this.state?.opcode === opcode && this.state.parameters === parameters;
    const again = retry && same;
    if (!again)
      this.state = { opcode, parameters, startedNs: this.parts.clock.now, restedWith: -1 };
    // Something else ended the call meanwhile.
    if (retry && !again) return this.finish(call, parameters, pxe.STATUS_FAILURE);
    const rested = this.state?.restedWith ?? -1;
    if (rested >= 0) return this.finish(call, parameters, rested);
    const status = this.run(opcode, parameters, again);
    if (status === undefined) {
      this.parts.idle(IDLE_NS);
      return SPIN;
    }
    if (this.mayRest(opcode, status) && this.state) {
      this.state.restedWith = status;
      this.parts.idle(POLL_IDLE_NS);
      return SPIN;
    }
    return this.finish(call, parameters, status);
  }

  private finish(call: ServiceCall, parameters: number, status: number): number {
    this.state = null;
    this.parts.memory.writeU16(parameters, status);
    call.ax = status === pxe.STATUS_SUCCESS ? pxe.EXIT_SUCCESS : pxe.EXIT_FAILURE;
    return DONE;
  }

  /** A boot program that does nothing but look for packets, with interrupts off perhaps, rests between two looks. */
  private mayRest(opcode: number, status: number): boolean {
    const isEmpty =
      (opcode === pxe.UDP_READ && status === pxe.STATUS_FAILURE) ||
      (opcode === pxe.UNDI_ISR && this.parts.undi.foundNothing);
    const again = isEmpty && this.polled;
    this.polled = isEmpty;
    return again;
  }

  private run(opcode: number, parameters: number, again: boolean): Outcome {
    const { tftp, udp, undi, unload } = this.parts;
    switch (opcode) {
      case pxe.TFTP_OPEN:
        return udp.isOpen ? pxe.STATUS_UDP_OPEN : tftp.open(parameters, again);
      case pxe.TFTP_CLOSE:
        return tftp.close();
      case pxe.TFTP_READ:
        return tftp.read(parameters);
      case pxe.TFTP_READ_FILE:
        return udp.isOpen ? pxe.STATUS_UDP_OPEN : tftp.readFile(parameters, again);
      case pxe.TFTP_GET_FSIZE:
        return udp.isOpen ? pxe.STATUS_UDP_OPEN : tftp.fileSize(parameters, again);
      case pxe.UDP_OPEN:
        return udp.open(parameters);
      case pxe.UDP_CLOSE:
        return udp.close();
      case pxe.UDP_READ:
        return udp.read(parameters);
      case pxe.UDP_WRITE:
        return udp.write(parameters, this.state?.startedNs ?? 0);
      case pxe.GET_CACHED_INFO:
        return this.cachedInfo(parameters);
      case pxe.START_BASE:
      case pxe.STOP_BASE:
        return pxe.STATUS_SUCCESS;
      case pxe.UNLOAD_STACK:
        unload();
        return pxe.STATUS_SUCCESS;
      default:
        return undi.call(opcode, parameters) ?? pxe.STATUS_UNSUPPORTED;
    }
  }

  /** Copies a packet, or tells where it lies when no buffer is given. */
  private cachedInfo(parameters: number): number {
    const { memory } = this.parts;
    const place = cachedPacket(memory.readU16(parameters + 2));
    if (!place) return pxe.STATUS_UNSUPPORTED;
    const size = memory.readU16(parameters + 4);
    const at = PXE_BASE + place.offset;
    // The length is in front of the packet.
    const length = u16(memory.physical.read(at, 2), 0);
    const buffer = far(memory, parameters + 6);
    if (size === 0 || buffer === 0) {
      memory.writeU16(parameters + 4, length);
      memory.writeU16(parameters + 6, place.offset + 2);
      memory.writeU16(parameters + 8, PXE_SEGMENT);
      memory.writeU16(parameters + 10, place.bytes - 2);
      return pxe.STATUS_SUCCESS;
    }
    const count = Math.min(size, length);
    memory.write(buffer, memory.physical.read(at + 2, count));
    memory.writeU16(parameters + 4, count);
    return length > size ? pxe.STATUS_OUT_OF_RESOURCES : pxe.STATUS_SUCCESS;
  }
}

/** A packet as `cachedPacket`'s place holds it: its length, big endian, then itself. */
export function framedPacket(packet: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + packet.length);
  put16(bytes, 0, packet.length);
  bytes.set(packet, 2);
  return bytes;
}
