import { describe, expect, it } from 'vitest';
import { GATEWAY_MAC, GUEST, GUEST6, ip, NatLab } from '../../../test/support/nat-lab';
import { ipFrame } from '../../../test/support/net-guest';
import type { EchoEvents, EchoSocket } from '../../host';
import {
  checksum,
  icmpChecksumHolds,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  put16,
  sealIcmp,
  u16,
} from '../wire';
import { ECHO_EXPIRY_MS, ECHOES_PER_SECOND, MAX_ECHO_FLOWS } from './limits';

const SERVER = ip('203.0.113.9');

function request(id: number, sequence: number, destination = SERVER, hopLimit = 64): Uint8Array {
  const isIpv6 = destination.length === 16;
  const message = Uint8Array.from([isIpv6 ? 128 : 8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
  put16(message, 4, id);
  put16(message, 6, sequence);
  const source = isIpv6 ? GUEST6 : GUEST;
  sealIcmp(message, source, destination);
  const protocol = isIpv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  return ipFrame(GATEWAY_MAC, source, destination, protocol, message, { hopLimit });
}

interface Pinger {
  readonly family: 4 | 6;
  readonly events: EchoEvents;
  readonly sent: { address: string; sequence: number; data: number[]; hopLimit: number }[];
  closed: boolean;
}

/** A NAT on a host that permits ping, or that has the call and does not. */
function lab(permits = true): { nat: NatLab; pingers: Pinger[] } {
  const nat = new NatLab();
  const pingers: Pinger[] = [];
  nat.host.openEcho = async (family, events): Promise<EchoSocket | undefined> => {
    if (!permits) return undefined;
    const pinger: Pinger = { family, events, sent: [], closed: false };
    pingers.push(pinger);
    return {
      send: (address, sequence, data, hopLimit) =>
        pinger.sent.push({ address, sequence, data: [...data], hopLimit }),
      close: () => (pinger.closed = true),
    };
  };
  return { nat, pingers };
}

/** Lets sockets be opened. */
const opened = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('echo through the NAT', () => {
  it('leaves through a socket for each identifier, and its reply comes back under it (RFC 5508)', async () => {
    const { nat, pingers } = lab();
    nat.exchange(request(0x1234, 1));
    nat.exchange(request(0x1234, 2, SERVER, 9));
    nat.exchange(request(0x4321, 7));
    await opened();
    expect(pingers.map(({ sent }) => sent)).toEqual([
      [
        { address: '203.0.113.9', sequence: 1, data: [1, 2, 3], hopLimit: 63 },
        { address: '203.0.113.9', sequence: 2, data: [1, 2, 3], hopLimit: 8 },
      ],
      [{ address: '203.0.113.9', sequence: 7, data: [1, 2, 3], hopLimit: 63 }],
    ]);
    const before = nat.heard.length;
    pingers[0].events.onReply('203.0.113.9', 2, Uint8Array.of(9, 8));
    pingers[0].events.onReply('203.0.113.10', 2, Uint8Array.of(6, 6));
    nat.settle();
    const replies = nat.heard.slice(before).map(({ packet }) => packet);
    expect(replies).toHaveLength(1);
    const payload = replies[0]!.payload;
    expect([...payload.subarray(0, 2), u16(payload, 4), u16(payload, 6)]).toEqual([
      0, 0, 0x1234, 2,
    ]);
    expect([...payload.subarray(8)]).toEqual([9, 8]);
    expect(checksum(payload)).toBe(0);
    expect(replies[0]!.source).toEqual(SERVER);
    expect(replies[0]!.destination).toEqual(GUEST);
  });

  it('does the same over IPv6', async () => {
    const { nat, pingers } = lab();
    const server = ip('2001:db8:9::1');
    nat.exchange(request(5, 6, server));
    await opened();
    expect(pingers[0].family).toBe(6);
    const before = nat.heard.length;
    pingers[0].events.onReply('2001:db8:9::1', 6, Uint8Array.of(1));
    nat.settle();
    const reply = nat.heard.slice(before).find(({ packet }) => packet?.payload[0] === 129);
    expect(icmpChecksumHolds(reply!.packet!.payload, server, GUEST6)).toBe(true);
  });

  it('obeys the egress rules', async () => {
    const { nat, pingers } = lab();
    for (const address of ['127.0.0.1', '169.254.169.254', '192.168.1.1', '198.51.100.7']) {
      const [reply] = nat.exchange(request(1, 1, ip(address)));
      expect([...reply.packet!.payload.subarray(0, 2)]).toEqual([3, 13]);
    }
    await opened();
    expect(pingers).toHaveLength(0);
    expect(nat.nat.denials.every(({ protocol }) => protocol === 'icmp')).toBe(true);
  });

  it('tells the guest, and the user, when this computer does not permit ping', async () => {
    const { nat } = lab(false);
    const frame = request(1, 1);
    nat.exchange(frame);
    await opened();
    nat.settle();
    const reply = nat.heard.at(-1)!.packet!.payload;
    expect([...reply.subarray(0, 2)]).toEqual([3, 13]);
    expect(reply.subarray(8)).toEqual(frame.subarray(14));
    expect(nat.nat.denials.at(-1)).toMatchObject({
      protocol: 'icmp',
      address: '203.0.113.9',
      reason: 'this computer does not permit ping',
    });
  });

  it('holds few sockets, sends few requests a second, and closes what is not used', async () => {
    const { nat, pingers } = lab();
    for (let id = 0; id < ECHOES_PER_SECOND + 50; id++) nat.exchange(request(id, 1));
    await opened();
    expect(pingers).toHaveLength(ECHOES_PER_SECOND);
    expect(pingers.filter(({ closed }) => !closed)).toHaveLength(MAX_ECHO_FLOWS);
    nat.timers.advance(ECHO_EXPIRY_MS + 1000);
    await opened();
    expect(pingers.every(({ closed }) => closed)).toBe(true);
  });
});
