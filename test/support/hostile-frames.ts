/** Frames of a hostile guest: mutated ones of every kind, and random bytes, the same for the same seed. */
import { addWords, finishChecksum, IPPROTO_TCP, pseudoHeader, put16 } from '../../core/net/wire';
import { DNS, GATEWAY, GATEWAY6, GATEWAY_MAC, GUEST, GUEST6, ip, type NatLab } from './nat-lab';
import { ipFrame, udpFrame } from './net-guest';

/** xorshift32: the same frames for the same seed. */
class Random {
  constructor(private state: number) {}

  next(limit: number): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) % limit;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.next(256));
  }
}

/** Sets the checksums that a mutation has broken, so that it gets past the first look. */
export function reseal(frame: Uint8Array): void {
  if (frame.length < 34 || frame[12] !== 8 || frame[13] !== 0) return;
  const header = (frame[14] & 15) * 4;
  if (header < 20 || 14 + header > frame.length) return;
  put16(frame, 24, 0);
  put16(frame, 24, finishChecksum(addWords(0, frame, 14, 14 + header)));
  const total = ((frame[16] << 8) | frame[17]) - header;
  const at = 14 + header;
  if (frame[23] !== IPPROTO_TCP || total < 20 || at + total > frame.length) return;
  put16(frame, at + 16, 0);
  const pseudo = pseudoHeader(frame.subarray(26, 30), frame.subarray(30, 34), IPPROTO_TCP, total);
  put16(frame, at + 16, finishChecksum(addWords(pseudo, frame, at, at + total)));
}

function corpus(random: Random): Uint8Array[] {
  const server = ip('203.0.113.9');
  const tcp = (flags: number, length: number): Uint8Array => {
    const segment = new Uint8Array(20 + length);
    segment.set([0x9c, 0x40, 0, 80, ...random.bytes(8), 0x50, flags, 0xff, 0xff]);
    return ipFrame(GATEWAY_MAC, GUEST, server, IPPROTO_TCP, segment);
  };
  const dhcp = new Uint8Array(260);
  dhcp.set([1, 1, 6]);
  dhcp.set([0, 0x16, 0x3e, 1, 2, 3], 28);
  dhcp.set([0x63, 0x82, 0x53, 0x63, 53, 1, 1, 50, 4, 10, 0, 2, 15, 255], 236);
  const arp = new Uint8Array(42);
  arp.set([255, 255, 255, 255, 255, 255, 0, 0x16, 0x3e, 1, 2, 3, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
  const everyone = new Uint8Array(6).fill(255);
  const dns = Uint8Array.of(1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 1, 0, 1);
  return [
    tcp(2, 0),
    tcp(16, 100),
    tcp(17, 0),
    tcp(4, 0),
    tcp(24, 1000),
    udpFrame(everyone, ip('0.0.0.0'), 68, ip('255.255.255.255'), 67, dhcp),
    udpFrame(GATEWAY_MAC, GUEST, 5000, DNS, 53, dns),
    udpFrame(GATEWAY_MAC, GUEST, 5000, server, 9, random.bytes(300)),
    udpFrame(GATEWAY_MAC, GUEST6, 5000, ip('2001:db8:2::9'), 9, random.bytes(30)),
    ipFrame(GATEWAY_MAC, GUEST, GATEWAY, 1, Uint8Array.of(8, 0, 0xf7, 0xff, 0, 0, 0, 0)),
    ipFrame(GATEWAY_MAC, GUEST6, GATEWAY6, 58, random.bytes(40), { hopLimit: 255 }),
    ipFrame(GATEWAY_MAC, GUEST, server, 17, random.bytes(1000), { id: 1, offset: 8, more: true }),
    arp,
  ];
}

/** With so many frames a connection that stays open gets a byte. */
export const GOOD_FLOW_EVERY = 1000;

/** Sends `frames` hostile frames, the host's side living along, and a byte over a good connection now and then. */
export function sendHostileFrames(
  lab: NatLab,
  frames: number,
  seed: number,
  /** Called with every byte, and how many frames there were. */
  onByte: (sent: number) => void = () => undefined,
) {
  const random = new Random(seed);
  const good = lab.open(ip('203.0.113.77'), 7777);
  const seeds = corpus(random);
  for (let i = 0; i < frames; i++) {
    const seed = seeds[random.next(seeds.length)];
    const frame = random.next(20) === 0 ? random.bytes(random.next(200)) : seed.slice();
    for (let flips = random.next(6); flips > 0 && frame.length > 14; flips--)
      frame[
        random.next(4) > 0 ? random.next(Math.min(60, frame.length)) : random.next(frame.length)
      ] = random.next(256);
    const cut = random.next(10) === 0 ? frame.subarray(0, random.next(frame.length + 1)) : frame;
    if (random.next(3) > 0) reseal(cut);
    lab.nat.receive(cut);
    if (i % 16 === 0) lab.nat.flush();
    if (i % 64 === 0) {
      lab.settle();
      lab.timers.advance(50);
      lab.heard.length = 0;
      // The host side lives too: connections open, answer and end.
      const stream = lab.host.streams[random.next(lab.host.streams.length)];
      const act = random.next(4);
      if (stream !== good.stream && act === 0) stream.events.onConnect();
      else if (stream !== good.stream && act === 1) stream.events.onClose('RESET');
      else if (stream !== good.stream) stream.events.onData(new Uint8Array(100));
    }
    if (i % GOOD_FLOW_EVERY === 0) {
      good.guest.send(Uint8Array.of(i & 255));
      lab.settle();
      onByte(i);
    }
  }
  lab.settle();
  return good;
}
