import { describe, expect, it } from 'vitest';
import { GOOD_FLOW_EVERY, reseal, sendHostileFrames } from '../../../test/support/hostile-frames';
import { GATEWAY_MAC, GUEST, ip, NatLab } from '../../../test/support/nat-lab';
import { ipFrame, udpFrame } from '../../../test/support/net-guest';
import { IPPROTO_TCP } from '../wire';

/** Bar I11 (test/hard) sends a million. */
const FRAMES = 30_000;
const SEED = 20261121;

describe('hostile frames', () => {
  it(`${FRAMES} random and mutated frames: nothing throws, tables are bounded, a good flow lives`, () => {
    const lab = new NatLab();
    const good = sendHostileFrames(lab, FRAMES, SEED);
    expect(good.stream.bytes.length).toBe(Math.ceil(FRAMES / GOOD_FLOW_EVERY));
    expect(good.guest.state).toBe('open');
    expect(lab.nat.connections.length).toBeLessThanOrEqual(512);
    expect(lab.nat.udpMappings).toBeLessThanOrEqual(256);
  }, 600_000);

  it('holds its caps under 20000 UDP flows and 20000 SYNs (bar I12)', () => {
    const lab = new NatLab();
    for (let i = 0; i < 20_000; i++) {
      const port = 1024 + (i % 60_000);
      lab.nat.receive(udpFrame(GATEWAY_MAC, GUEST, port, ip('203.0.113.9'), 9, Uint8Array.of(1)));
      if (i % 100 === 0) lab.timers.advance(100);
    }
    expect(lab.nat.udpMappings).toBe(256);
    expect(lab.host.sockets.filter((socket) => !socket.closed)).toHaveLength(256);
    for (let i = 0; i < 20_000; i++) {
      const segment = new Uint8Array(20);
      segment.set([(i >> 8) | 0x40, i, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff]);
      const frame = ipFrame(GATEWAY_MAC, GUEST, ip('203.0.113.9'), IPPROTO_TCP, segment);
      reseal(frame);
      lab.nat.receive(frame);
    }
    expect(lab.host.streams).toHaveLength(64);
  });
});
