import type { IpPacket } from '../wire';
import { FRAGMENT_EXPIRY_MS, MAX_FRAGMENT_BYTES, MAX_FRAGMENT_PACKETS } from './limits';

interface Partial {
  readonly first: IpPacket;
  readonly pieces: { offset: number; bytes: Uint8Array }[];
  /** Length of the whole payload, once the last piece is known. */
  total: number | undefined;
  received: number;
  readonly since: number;
}

/**
 * Puts fragmented packets together (RFC 791 3.2, RFC 8200 4.5). Overlapping pieces end the whole packet, as RFC 5722
 * demands for IPv6 and as is wise for IPv4. Bounds: 64 packets of at most 16 KiB, 30 s.
 */
export class Reassembler {
  private readonly packets = new Map<string, Partial>();

  constructor(private readonly now: () => number) {}

  get size(): number {
    return this.packets.size;
  }

  /** Takes a fragment; returns the whole packet when it is the last one missing. `bytes` of the result is the first fragment. */
  add(packet: IpPacket): IpPacket | undefined {
    const { fragment, source, destination, protocol, payload } = packet;
    if (!fragment) return packet;
    const end = fragment.offset + payload.length;
    if (end > MAX_FRAGMENT_BYTES || payload.length === 0) return undefined;
    if (fragment.more && payload.length % 8 !== 0) return undefined;
    this.expire();
    const key = `${source.join()} ${destination.join()} ${source.length === 4 ? protocol : ''} ${fragment.id}`;
    let partial = this.packets.get(key);
    if (!partial) {
      if (this.packets.size >= MAX_FRAGMENT_PACKETS) return undefined;
      partial = {
        first: { ...packet, bytes: packet.bytes.slice() },
        pieces: [],
        total: undefined,
        received: 0,
        since: this.now(),
      };
      this.packets.set(key, partial);
    }
    if (!this.insert(partial, fragment.offset, payload, fragment.more)) {
      this.packets.delete(key);
      return undefined;
    }
    if (partial.total !== partial.received) return undefined;
    this.packets.delete(key);
    return this.join(partial);
  }

  /** Drops what has waited too long. */
  expire(): void {
    const oldest = this.now() - FRAGMENT_EXPIRY_MS;
    for (const [key, partial] of this.packets) if (partial.since < oldest) this.packets.delete(key);
  }

  clear(): void {
    this.packets.clear();
  }

  private insert(partial: Partial, offset: number, bytes: Uint8Array, more: boolean): boolean {
    const end = offset + bytes.length;
    if (!more) {
      if (partial.total !== undefined && partial.total !== end) return false;
      partial.total = end;
    }
    for (const piece of partial.pieces)
      if (offset < piece.offset + piece.bytes.length && end > piece.offset) return false;
    partial.pieces.push({ offset, bytes: bytes.slice() });
    partial.received += bytes.length;
    return partial.total === undefined || partial.received <= partial.total;
  }

  private join({ first, pieces, received }: Partial): IpPacket {
    const payload = new Uint8Array(received);
    for (const piece of pieces) payload.set(piece.bytes, piece.offset);
    return {
      source: first.bytes.length > 0 ? first.source.slice() : first.source,
      destination: first.destination.slice(),
      protocol: first.protocol,
      hopLimit: first.hopLimit,
      payload,
      bytes: first.bytes,
    };
  }
}
