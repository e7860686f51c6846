/**
 * UDP functions of the PXE API. Spec: PXE 2.1, section 3.5. Addresses and ports of parameters are in network order.
 */
import { isAny, sameAddress } from '../../../net';
import type { BiosMemory } from '../memory';
import * as pxe from './pxe-codes';
import { MAX_PAYLOAD_BYTES, type Datagram, type UdpLink } from './udp-link';

const ARP_WAIT_NS = 3_000_000_000;
/** Datagrams that wait for the port they came to to be read. */
const MAX_WAITING = 16;

/** `undefined`: not finished, ask again. */
export type Outcome = number | undefined;

export class UdpServices {
  isOpen = false;
  private waiting: Datagram[] = [];

  constructor(
    private readonly link: UdpLink,
    private readonly memory: BiosMemory,
    private readonly now: () => number,
  ) {}

  open(parameters: number): number {
    if (this.isOpen) return pxe.STATUS_UDP_OPEN;
    this.isOpen = true;
    const address = this.memory.read(parameters + 2, 4);
    if (!isAny(address)) this.link.state.address = address;
    return pxe.STATUS_SUCCESS;
  }

  close(): number {
    const wasOpen = this.isOpen;
    this.reset();
    return wasOpen ? pxe.STATUS_SUCCESS : pxe.STATUS_UDP_CLOSED;
  }

  reset(): void {
    this.isOpen = false;
    this.waiting = [];
  }

  /** Sends a datagram; waits for the MAC address of its way. */
  write(parameters: number, startedNs: number): Outcome {
    const { memory } = this;
    if (!this.isOpen) return pxe.STATUS_UDP_CLOSED;
    const length = memory.readU16(parameters + 14);
    if (length > MAX_PAYLOAD_BYTES) return pxe.STATUS_OUT_OF_RESOURCES;
    const destination = memory.read(parameters + 2, 4);
    const router = memory.read(parameters + 6, 4);
    const sourcePort = port(memory, parameters + 10) || 2069;
    const destinationPort = port(memory, parameters + 12);
    const payload = memory.read(far(memory, parameters + 16), length);
    if (this.link.send(sourcePort, destination, destinationPort, payload, router))
      return pxe.STATUS_SUCCESS;
    this.drain();
    return this.now() - startedNs < ARP_WAIT_NS ? undefined : pxe.STATUS_ARP_TIMEOUT;
  }

  /** Gives a datagram that has come to the address and port asked for; FAILURE when there is none. */
  read(parameters: number): number {
    const { memory } = this;
    if (!this.isOpen) return pxe.STATUS_UDP_CLOSED;
    this.drain();
    const address = memory.read(parameters + 6, 4);
    const wanted = port(memory, parameters + 12);
    const index = this.waiting.findIndex(
      ({ destination, destinationPort }) =>
        (wanted === 0 || destinationPort === wanted) &&
        (isAny(address) || sameAddress(destination, address)),
    );
    if (index < 0) return pxe.STATUS_FAILURE;
    const [{ source, sourcePort, destination, destinationPort, payload }] = this.waiting.splice(
      index,
      1,
    );
    const room = memory.readU16(parameters + 14);
    memory.write(parameters + 2, source);
    memory.write(parameters + 6, destination);
    putPort(memory, parameters + 10, sourcePort);
    putPort(memory, parameters + 12, destinationPort);
    memory.writeU16(parameters + 14, Math.min(room, payload.length));
    memory.write(far(memory, parameters + 16), payload.subarray(0, room));
    return payload.length > room ? pxe.STATUS_OUT_OF_RESOURCES : pxe.STATUS_SUCCESS;
  }

  private drain(): void {
    for (let datagram = this.link.next(); datagram; datagram = this.link.next()) {
      if (this.waiting.length >= MAX_WAITING) this.waiting.shift();
      this.waiting.push(datagram);
    }
  }
}

/** The linear address in a segment:offset pointer, offset first. */
export function far(memory: BiosMemory, at: number): number {
  return memory.readU16(at + 2) * 16 + memory.readU16(at);
}

export function port(memory: BiosMemory, at: number): number {
  return memory.readU8(at) * 256 + memory.readU8(at + 1);
}

function putPort(memory: BiosMemory, at: number, value: number): void {
  memory.writeU8(at, value >> 8);
  memory.writeU8(at + 1, value);
}
