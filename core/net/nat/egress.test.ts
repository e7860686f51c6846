import { describe, expect, it } from 'vitest';
import { GATEWAY_MAC, GUEST, GUEST6, ip, NatLab } from '../../../test/support/nat-lab';
import { udpFrame } from '../../../test/support/net-guest';

/** Bar I10 of the reliability plan: what means this computer or its neighbours, in every spelling that is an address. */
const CLOSED = [
  '127.0.0.1',
  '127.1.2.3',
  '127.255.255.254',
  '0.0.0.0',
  '0.1.2.3',
  '169.254.169.254',
  '169.254.0.1',
  '198.51.100.7',
  '198.51.100.8',
  '10.0.0.1',
  '10.1.2.3',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.0.1',
  '100.64.0.1',
  '198.18.0.1',
  '192.0.0.8',
  '224.0.0.1',
  '239.255.255.250',
  '240.0.0.1',
  '255.255.255.255',
  '10.0.2.2',
  '10.0.2.3',
  '10.0.2.77',
  '10.0.2.255',
  '::1',
  '::',
  '::ffff:127.0.0.1',
  '::ffff:8.8.8.8',
  '::ffff:0:127.0.0.1',
  '::127.0.0.1',
  '64:ff9b::127.0.0.1',
  '64:ff9b::c0a8:1',
  '64:ff9b:1::1',
  '2002:7f00:1::1',
  '2002:c0a8:1::1',
  '2001:0:1::1',
  'fe80::1',
  'fec0::1',
  'ff02::1',
  'fd00::1',
  'fc00::1',
  '2001:db8:1::7',
  '2001:db8:1::8',
  'fd00:d0::2',
  'fd00:d0::3',
];
const OPEN = ['203.0.113.9', '8.8.8.8', '172.32.0.1', '2001:db8:2::1', '64:ff9b::808:808'];

function reached(lab: NatLab, address: string, port = 80): { tcp: number; udp: number } {
  const destination = ip(address);
  const guest = destination.length === 4 ? GUEST : GUEST6;
  lab.connect(destination, port);
  lab.exchange(udpFrame(GATEWAY_MAC, guest, 7, destination, port, Uint8Array.of(1)));
  const sent = lab.host.sockets.reduce((sum, socket) => sum + socket.sent.length, 0);
  return { tcp: lab.host.streams.length, udp: sent };
}

describe('where a guest may go', () => {
  it.each(CLOSED)('not to %s, over TCP or UDP', (address) => {
    expect(reached(new NatLab(), address)).toEqual({ tcp: 0, udp: 0 });
  });

  it.each(OPEN)('to %s', (address) => {
    expect(reached(new NatLab(), address)).toEqual({ tcp: 1, udp: 1 });
  });

  it('to the local network when that is allowed, but still not to this computer', () => {
    expect(reached(new NatLab({ lan: true }), '192.168.0.1')).toEqual({ tcp: 1, udp: 1 });
    expect(reached(new NatLab({ lan: true }), '198.51.100.8')).toEqual({ tcp: 1, udp: 1 });
    expect(reached(new NatLab({ lan: true }), 'fd00::1')).toEqual({ tcp: 1, udp: 1 });
    for (const address of ['198.51.100.7', '127.0.0.1', '169.254.169.254', '::1'])
      expect(reached(new NatLab({ lan: true }), address)).toEqual({ tcp: 0, udp: 0 });
  });

  it("by the user's rules first, in order, with ports", () => {
    const rules = [
      { action: 'deny', to: '203.0.113.0/24', ports: [25, 25] },
      { action: 'allow', to: '192.168.7.0/24', ports: [80, 443] },
      { action: 'deny', to: '8.8.8.8' },
    ] as const;
    const lab = () => new NatLab({ rules });
    expect(reached(lab(), '203.0.113.9', 25).tcp).toBe(0);
    expect(reached(lab(), '203.0.113.9', 80).tcp).toBe(1);
    expect(reached(lab(), '192.168.7.9', 80).tcp).toBe(1);
    expect(reached(lab(), '192.168.7.9', 22).tcp).toBe(0);
    expect(reached(lab(), '8.8.8.8', 53).udp).toBe(0);
  });

  it('nowhere from a network without a way out', () => {
    expect(reached(new NatLab({ outside: false }), '203.0.113.9')).toEqual({ tcp: 0, udp: 0 });
  });

  it('to a port of this computer that a rule opens, at the gateway and nowhere else', () => {
    const rules = [{ action: 'allow', to: '127.0.0.1', ports: [8080, 8080] }] as const;
    const lab = new NatLab({ rules });
    expect(reached(lab, '10.0.2.2', 8080)).toEqual({ tcp: 1, udp: 1 });
    expect(lab.host.streams[0].address).toBe('127.0.0.1');
    expect(reached(new NatLab({ rules }), '10.0.2.2', 8081)).toEqual({ tcp: 0, udp: 0 });
    expect(reached(new NatLab({ rules }), '198.51.100.7', 8080)).toEqual({ tcp: 0, udp: 0 });
  });

  it('remembers what it refused, counted, for the user to see', () => {
    const lab = new NatLab();
    lab.connect(ip('192.168.0.1'), 445, { from: 1 });
    lab.connect(ip('192.168.0.1'), 445, { from: 2 });
    expect(lab.nat.denials).toEqual([
      {
        protocol: 'tcp',
        address: '192.168.0.1',
        port: 445,
        reason: 'it is on the local network',
        count: 2,
      },
    ]);
    const icmp = lab.heard.at(-1)?.packet?.payload;
    expect([icmp?.[0], icmp?.[1]]).toEqual([3, 13]);
  });
});
