import { describe, expect, it } from 'vitest';
import { onesSum } from '../../../test/support/frames';
import { GATEWAY, ip, NatLab } from '../../../test/support/nat-lab';
import {
  OFFLOAD_GOOD,
  OFFLOAD_PARTIAL,
  RECEIVE_PARTIAL,
  RECEIVE_TCPV4,
  RECEIVE_TCPV6,
} from '../../hw';
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../wire';

const SERVER = ip('203.0.113.9');
const SERVER6 = ip('2001:db8:9::9');

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
}

describe('TCP through the NAT', () => {
  it('answers SYN only when the host has connected, with MSS and window scale', () => {
    const lab = new NatLab();
    const guest = lab.connect(SERVER, 80, { shift: 7 });
    expect(lab.host.streams[0]).toMatchObject({ address: '203.0.113.9', port: 80 });
    expect(guest.state).toBe('syn-sent');

    lab.host.streams[0].events.onConnect();
    lab.settle();

    expect(guest.state).toBe('open');
    const syn = lab.heard.find((heard) => heard.tcp && (heard.tcp.flags & TCP_SYN) !== 0)?.tcp;
    expect(syn).toMatchObject({ flags: TCP_SYN | TCP_ACK, mss: 1460, windowShift: 7, ack: 1001 });
  });

  it('offers no window scale to a peer that did not (RFC 7323 2.2)', () => {
    const lab = new NatLab();
    lab.open(SERVER, 80);
    const syn = lab.heard.find((heard) => heard.tcp && (heard.tcp.flags & TCP_SYN) !== 0)?.tcp;
    expect(syn?.windowShift).toBeUndefined();
  });

  it('refuses with RST when the host is refused, and says unreachable when it is', () => {
    const lab = new NatLab();
    const guest = lab.connect(SERVER, 81);
    lab.host.streams[0].events.onClose('REFUSED');
    lab.settle();
    expect(guest.state).toBe('reset');
    expect(lab.heard.at(-1)?.tcp).toMatchObject({ flags: TCP_RST | TCP_ACK, ack: 1001, seq: 0 });

    lab.connect(SERVER, 82);
    lab.host.streams[1].events.onClose('UNREACHABLE');
    lab.settle();
    const icmp = lab.heard.at(-1)?.packet;
    expect([icmp?.protocol, icmp?.payload[0], icmp?.payload[1]]).toEqual([1, 3, 1]);
    expect(lab.nat.connections).toEqual([]);
  });

  it('carries bytes both ways, over IPv4 and IPv6', () => {
    for (const server of [SERVER, SERVER6]) {
      const lab = new NatLab();
      const { guest, stream } = lab.open(server, 80, { shift: 4 });
      const request = pattern(5000);
      guest.send(request);
      lab.settle();
      expect(Buffer.compare(stream.bytes, request)).toBe(0);
      expect(guest.acknowledged).toBe(5000);

      const answer = pattern(100_000);
      stream.events.onData(answer.slice(0, 60_000));
      stream.events.onData(answer.slice(60_000));
      lab.settle();
      expect(Buffer.compare(guest.bytes, answer)).toBe(0);
    }
  });

  it('sends large segments to a card that cuts or takes them, of its IP version only', () => {
    for (const server of [SERVER, SERVER6]) {
      const is6 = server === SERVER6;
      const mss = is6 ? 1440 : 1460;
      const lab = new NatLab();
      lab.receiveOffloads = RECEIVE_PARTIAL | (is6 ? RECEIVE_TCPV6 : RECEIVE_TCPV4);
      const { guest, stream } = lab.open(server, 80, { shift: 4 });
      const answer = pattern(200_000);
      stream.events.onData(answer.slice());
      lab.settle();
      expect(Buffer.compare(guest.bytes, answer)).toBe(0);
      const large = lab.heard.filter(({ frame }) => frame.length > 1514);
      expect(large.length).toBeGreaterThan(2);
      expect(Math.max(...large.map(({ frame }) => frame.length))).toBeLessThanOrEqual(14 + 0xffff);
      // Whole segments but for the last; the IP header's length and checksum are those of the frame as it is.
      expect(large.slice(0, -1).map(({ tcp }) => (tcp?.payload.length ?? 1) % mss)).toEqual(
        large.slice(1).map(() => 0),
      );
      // The field of the checksum holds the pseudo header's sum (VIRTIO 1.2, 5.1.6.2).
      const [{ frame, packet }] = large;
      const at = is6 ? 54 : 34;
      const size = frame.length - at;
      const sum = onesSum([
        ...packet!.source,
        ...packet!.destination,
        0,
        6,
        size >> 8,
        size & 0xff,
      ]);
      expect([frame[at + 16], frame[at + 17]]).toEqual([sum >> 8, sum & 0xff]);
      expect(new Set(lab.offloads.filter((offload) => offload !== 0))).toEqual(
        new Set([OFFLOAD_GOOD, OFFLOAD_PARTIAL | (mss << 2)]),
      );

      // From here the card takes the other version only.
      lab.receiveOffloads = RECEIVE_PARTIAL | (is6 ? RECEIVE_TCPV4 : RECEIVE_TCPV6);
      const before = lab.heard.length;
      stream.events.onData(answer.slice());
      lab.settle();
      expect(guest.bytes).toHaveLength(400_000);
      expect(lab.heard.slice(before).every(({ frame: { length } }) => length <= 1514)).toBe(true);
    }
  });

  it('sends a large segment that was lost again', () => {
    const lab = new NatLab();
    lab.receiveOffloads = RECEIVE_PARTIAL | RECEIVE_TCPV4;
    const { guest, stream } = lab.open(SERVER, 80, { shift: 4 });
    let large = 0;
    lab.filter = ({ frame }) => frame.length <= 1514 || ++large !== 2;
    const answer = pattern(150_000);
    stream.events.onData(answer.slice());
    lab.settle();
    lab.pass(3000);
    expect(Buffer.compare(guest.bytes, answer)).toBe(0);
    expect(large).toBeGreaterThan(2);
  });

  it('gathers a batch of segments into one write and one acknowledgement', () => {
    const lab = new NatLab();
    const { guest, stream } = lab.open(SERVER, 80);
    const before = lab.heard.length;
    guest.send(pattern(14_600));
    lab.settle();
    expect(stream.written).toHaveLength(1);
    expect(lab.heard.length - before).toBe(1);
  });

  it('half-closes: the guest ends, the host still sends, then both are gone', () => {
    const lab = new NatLab();
    const { guest, stream } = lab.open(SERVER, 80);
    guest.send(Uint8Array.of(1, 2, 3));
    guest.close();
    lab.settle();
    expect(stream.ended).toBe(true);
    expect(guest.finAcknowledged).toBe(true);

    stream.events.onData(pattern(3000));
    lab.settle();
    expect(guest.bytes).toHaveLength(3000);
    stream.events.onEnd();
    lab.settle();
    expect(guest.peerFin).toBe(true);
    expect(lab.nat.connections).toEqual([]);
    expect(stream.wasReset).toBe(false);
  });

  it('half-closes the other way and keeps TIME-WAIT, as it closed first', () => {
    const lab = new NatLab();
    const { guest, stream } = lab.open(SERVER, 80);
    stream.events.onData(pattern(10));
    stream.events.onEnd();
    lab.settle();
    expect(guest.peerFin).toBe(true);
    guest.send(pattern(200));
    lab.settle();
    expect(stream.bytes).toHaveLength(200);
    guest.close();
    lab.settle();
    expect(stream.ended).toBe(true);
    expect(lab.nat.connections.map((flow) => flow.state)).toEqual(['time-wait']);
    lab.pass(4000);
    expect(lab.nat.connections).toEqual([]);
  });

  it('passes resets on in both directions', () => {
    const lab = new NatLab();
    const first = lab.open(SERVER, 80);
    first.guest.reset();
    lab.settle();
    expect(first.stream.wasReset).toBe(true);

    const second = lab.open(SERVER, 80);
    second.stream.events.onClose('RESET');
    lab.settle();
    expect(second.guest.state).toBe('reset');
    expect(lab.nat.connections).toEqual([]);
  });

  it('answers a reset that is only inside the window with a challenge (RFC 5961 3.2)', () => {
    const lab = new NatLab();
    const { guest, stream } = lab.open(SERVER, 80);
    guest.segment(TCP_RST, guest.sequence + 5);
    lab.settle();
    expect(stream.wasReset).toBe(false);
    expect(lab.heard.at(-1)?.tcp?.flags).toBe(TCP_ACK);
  });

  it('answers a segment of no connection with RST', () => {
    const lab = new NatLab();
    const guest = lab.connect(SERVER, 80);
    lab.host.streams[0].events.onClose('REFUSED');
    lab.settle();
    guest.segment(TCP_ACK, 77, Uint8Array.of(1), 4242);
    lab.settle();
    expect(lab.heard.at(-1)?.tcp).toMatchObject({ flags: TCP_RST, seq: 4242 });
  });

  it('puts segments in order that come out of order, twice and overlapping', () => {
    const lab = new NatLab();
    const { guest, stream } = lab.open(SERVER, 80);
    const base = guest.sequence;
    const data = pattern(400);
    const piece = (from: number, to: number) =>
      guest.segment(TCP_ACK, base + from, data.subarray(from, to));
    piece(300, 400);
    piece(100, 200);
    piece(50, 150);
    piece(100, 200);
    piece(0, 60);
    lab.settle();
    expect(stream.bytes).toEqual(data.subarray(0, 200));
    piece(150, 320);
    lab.settle();
    expect(Buffer.compare(stream.bytes, data)).toBe(0);
    expect(lab.heard.at(-1)?.tcp?.ack).toBe(base + 400);
  });

  it('closes its window when the host does not take bytes, and opens it again', () => {
    const lab = new NatLab();
    lab.host.slow = true;
    const { guest, stream } = lab.open(SERVER, 80, { shift: 3 });
    const data = pattern(600_000);
    guest.send(data);
    for (let i = 0; i < 50; i++) {
      guest.pump();
      lab.settle();
    }
    const stopped = stream.bytes.length;
    expect(stopped).toBeLessThanOrEqual(256 << 10);
    expect(stopped).toBeGreaterThan(200 << 10);
    expect(lab.heard.at(-1)?.tcp?.window).toBeLessThan(16);

    for (let i = 0; i < 20; i++) {
      stream.drain();
      lab.settle();
      guest.pump();
      lab.settle();
    }
    expect(Buffer.compare(stream.bytes, data)).toBe(0);
  });

  it('stops the host when the guest does not read, asks a closed window, and goes on', () => {
    const lab = new NatLab();
    const { guest, stream } = lab.open(SERVER, 80);
    guest.window = 0;
    guest.segment(TCP_ACK, guest.sequence);
    lab.settle();
    for (let i = 0; i < 10 && !stream.paused; i++) stream.events.onData(new Uint8Array(64 << 10));
    expect(stream.paused).toBe(true);
    const before = lab.heard.length;
    lab.pass(5000);
    const probes = lab.heard.slice(before).filter((heard) => heard.tcp!.payload.length > 0);
    expect(probes.length).toBeGreaterThanOrEqual(2);
    expect(probes.length).toBeLessThan(8);
    expect(probes.every((probe) => probe.tcp!.payload.length === 1)).toBe(true);

    guest.window = 0xffff;
    guest.segment(TCP_ACK, guest.sequence);
    lab.settle();
    lab.pass(2000);
    expect(stream.paused).toBe(false);
    expect(guest.bytes.length).toBe(256 << 10);
  });

  it('keeps a connection whose guest offers no window for long', () => {
    const lab = new NatLab();
    const { guest, stream } = lab.open(SERVER, 80);
    guest.window = 0;
    guest.segment(TCP_ACK, guest.sequence);
    stream.events.onData(pattern(100));
    lab.pass(600_000);
    expect(lab.nat.connections).toHaveLength(1);
  });

  it('retransmits what was lost, by timeout', () => {
    const lab = new NatLab();
    const { guest, stream } = lab.open(SERVER, 80);
    lab.filter = (heard) => !heard.tcp || heard.tcp.payload.length === 0;
    stream.events.onData(pattern(100));
    lab.settle();
    expect(guest.bytes).toHaveLength(0);
    lab.filter = () => true;
    lab.pass(1500);
    expect(guest.bytes).toEqual(pattern(100));
  });

  it('retransmits after three duplicate acknowledgements without waiting (RFC 5681 3.2)', () => {
    const lab = new NatLab();
    const { guest, stream } = lab.open(SERVER, 80);
    let lost = 0;
    lab.filter = (heard) => !(heard.tcp && heard.tcp.payload.length > 0 && lost++ === 1);
    const data = pattern(1460 * 8);
    stream.events.onData(data);
    lab.settle();
    // No time has passed: the lost segment and, as the test's receiver keeps none, those behind it came again.
    expect(Buffer.compare(guest.bytes, data)).toBe(0);
  });

  it('gives up a guest that is gone, and resets the host', () => {
    const lab = new NatLab();
    const { stream } = lab.open(SERVER, 80);
    lab.filter = () => false;
    stream.events.onData(pattern(100));
    lab.pass(400_000);
    expect(stream.wasReset).toBe(true);
    expect(lab.nat.connections).toEqual([]);
  });

  it('gives all bytes over a link that loses and reorders, both ways', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const lab = new NatLab();
      let state = seed;
      const random = (): number => {
        state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
        return state / 0x7fffffff;
      };
      const { guest, stream } = lab.open(SERVER, 80, { shift: 2 });
      lab.filter = () => random() > 0.05;
      const shuffle = (frames: Uint8Array[]): Uint8Array[] =>
        frames
          .filter(() => random() > 0.05)
          .map((frame, i) => ({ frame, at: i + random() * 3 }))
          .sort((a, b) => a.at - b.at)
          .map(({ frame }) => frame);
      const up = pattern(150_000);
      const down = pattern(170_000);
      guest.send(up);
      stream.events.onData(down);
      stream.events.onEnd();
      for (let i = 0; i < 6000; i++) {
        lab.settle(shuffle);
        lab.timers.advance(50);
        if (i % 10 === 0) guest.pump();
        if (guest.bytes.length >= down.length && stream.bytes.length >= up.length && guest.peerFin)
          break;
      }
      expect(guest.bytes.length, `seed ${seed} ${guest.state}`).toBe(down.length);
      expect(Buffer.compare(guest.bytes, down), `seed ${seed}`).toBe(0);
      expect(Buffer.compare(stream.bytes, up), `seed ${seed}`).toBe(0);
      expect(guest.peerFin).toBe(true);
    }
  });

  it('waits for the link when it has no room, without loss', () => {
    const lab = new NatLab();
    const { guest, stream } = lab.open(SERVER, 80);
    lab.room = false;
    stream.events.onData(pattern(3000));
    lab.settle();
    expect(guest.bytes).toHaveLength(0);
    lab.room = true;
    lab.nat.roomAgain();
    lab.settle();
    expect(Buffer.compare(guest.bytes, pattern(3000))).toBe(0);
  });

  it('holds its caps: 64 half open, 512 in all', () => {
    const lab = new NatLab();
    for (let i = 0; i < 200; i++) lab.connect(SERVER, 80, { from: 10_000 + i });
    expect(lab.host.streams).toHaveLength(64);
    for (const stream of lab.host.streams) stream.events.onConnect();
    lab.settle();
    for (let i = 0; i < 2000; i++) {
      lab.connect(SERVER, 80, { from: 20_000 + i });
      lab.host.streams.at(-1)?.events.onConnect();
      lab.settle();
      lab.timers.advance(2);
    }
    expect(lab.nat.connections).toHaveLength(512);
  });

  it('gives the place of an idle connection to a new one', () => {
    const lab = new NatLab();
    for (let i = 0; i < 512; i++) lab.open(SERVER, 1000 + i);
    lab.connect(SERVER, 80);
    expect(lab.host.streams).toHaveLength(512);
    lab.pass(61_000);
    lab.connect(SERVER, 81);
    expect(lab.host.streams).toHaveLength(513);
    expect(lab.nat.connections).toHaveLength(512);
  });

  it('forwards a port of the host to the guest', async () => {
    const lab = new NatLab();
    await lab.nat.forward({
      protocol: 'tcp',
      hostAddress: '127.0.0.1',
      hostPort: 2222,
      guestPort: 22,
    });
    const stream = lab.host.dial(2222);
    lab.settle();
    // The guest is not known yet: it is asked for by ARP.
    const arp = lab.heard.find((heard) => heard.type === 0x0806);
    expect(arp?.frame.subarray(38, 42)).toEqual(ip('10.0.2.15'));

    const reply = arp!.frame.slice();
    const sender = Uint8Array.of(0x00, 0x16, 0x3e, 1, 2, 3);
    reply.set(reply.subarray(6, 12), 0);
    reply.set(sender, 6);
    reply[21] = 2;
    reply.set(sender, 22);
    reply.set(ip('10.0.2.15'), 28);
    lab.send(reply);
    lab.settle();
    const syn = lab.heard.find((heard) => heard.tcp)?.tcp;
    expect(syn).toMatchObject({ flags: TCP_SYN, destinationPort: 22 });
    expect(stream.paused).toBe(true);

    const { GuestTcp } = await import('../../../test/support/net-guest');
    const guest = new GuestTcp(
      (frame) => lab.send(frame),
      sender,
      ip('10.0.2.15'),
      22,
      GATEWAY,
      syn!.sourcePort,
    );
    const { GATEWAY_MAC } = await import('../../../test/support/nat-lab');
    Object.assign(guest, { gatewayMac: GATEWAY_MAC });
    lab.tcp.push(guest);
    guest.arrive(syn!);
    lab.settle();
    expect(stream.paused).toBe(false);
    stream.events.onData(pattern(10));
    guest.send(pattern(20));
    lab.settle();
    expect(guest.bytes).toEqual(pattern(10));
    expect(stream.bytes).toEqual(pattern(20));
    expect(guest.lastFlags & TCP_FIN).toBe(0);
  });

  it('sends a RST with an acknowledgement to a forward whose guest is not there', async () => {
    const lab = new NatLab();
    const rule = { protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 2222, guestPort: 22 };
    await lab.nat.forward({ ...rule, protocol: 'tcp' });
    const stream = lab.host.dial(2222);
    lab.pass(120_000);
    expect(stream.wasReset).toBe(true);
    expect(lab.nat.connections).toEqual([]);
  });
});
