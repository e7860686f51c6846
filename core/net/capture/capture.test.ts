import { describe, expect, it } from 'vitest';
import { Capture } from './capture';
import { pcapngHeader, pcapngPacket } from './pcapng';

/** Blocks of a pcapng file: type, and body without the two lengths, which must agree. */
function blocks(bytes: Uint8Array): { type: number; body: Uint8Array }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: { type: number; body: Uint8Array }[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = view.getUint32(at + 4, true);
    expect(length % 4).toBe(0);
    expect(view.getUint32(at + length - 4, true)).toBe(length);
    found.push({ type: view.getUint32(at, true), body: bytes.subarray(at + 8, at + length - 4) });
    at += length;
  }
  return found;
}

describe('pcapng', () => {
  it('starts with a section header and an Ethernet interface of nanosecond stamps', () => {
    const [section, description] = blocks(pcapngHeader('vif1.0', 'Domus'));
    expect(section.type).toBe(0x0a0d0d0a);
    expect([...section.body.subarray(0, 8)]).toEqual([0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0]);
    expect(description.type).toBe(1);
    expect([...description.body.subarray(0, 8)]).toEqual([1, 0, 0, 0, 0, 0, 0, 0]);
    const hex = Buffer.from(description.body).toString('hex');
    expect(hex).toContain('02000600' + Buffer.from('vif1.0').toString('hex') + '0000');
    expect(hex).toContain('0900010009000000');
  });

  it('writes a frame with its time, both lengths, and its direction', () => {
    const [packet] = blocks(pcapngPacket(Uint8Array.of(1, 2, 3, 4, 5), 1_700_000_000_123.5, true));
    const view = new DataView(packet.body.buffer, packet.body.byteOffset, packet.body.length);
    expect(packet.type).toBe(6);
    const stamp = (BigInt(view.getUint32(4, true)) << 32n) | BigInt(view.getUint32(8, true));
    expect(stamp).toBe(1_700_000_000_123_500_000n);
    expect([view.getUint32(12, true), view.getUint32(16, true)]).toEqual([5, 5]);
    expect([...packet.body.subarray(20, 28)]).toEqual([1, 2, 3, 4, 5, 0, 0, 0]);
    expect(Buffer.from(packet.body.subarray(28)).toString('hex')).toBe('020004000200000000000000');
  });
});

describe('a capture', () => {
  function setUp(limit = 1 << 20) {
    const written: Uint8Array[] = [];
    const errors: unknown[] = [];
    let gate: Promise<void> = Promise.resolve();
    const capture = new Capture(
      {
        append: async (bytes) => {
          await gate;
          written.push(bytes);
        },
        close: async () => undefined,
      },
      'vif',
      'Domus',
      () => 1000,
      limit,
      (cause) => errors.push(cause),
    );
    return {
      capture,
      written,
      errors,
      hold: (until: Promise<void>) => {
        gate = until;
      },
    };
  }

  it('writes batches of frames in order', async () => {
    const { capture, written } = setUp();
    for (let i = 0; i < 10; i++) capture.record(new Uint8Array(60).fill(i), i % 2 === 0);
    await capture.close();
    expect(written).toHaveLength(1);
    const packets = blocks(written[0]).slice(2);
    expect(packets.map(({ body }) => body[20])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(capture.counters).toMatchObject({ frames: 10, skipped: 0 });
  });

  it('leaves frames out when the disk is slow or the file is full, and counts them', async () => {
    const { capture, hold } = setUp(100 << 20);
    let open: () => void = () => undefined;
    hold(new Promise((resolve) => (open = resolve)));
    for (let i = 0; i < 10_000; i++) capture.record(new Uint8Array(1500), true);
    expect(capture.counters.skipped).toBeGreaterThan(4000);
    open();
    await capture.close();
    const small = setUp(2000);
    for (let i = 0; i < 10; i++) small.capture.record(new Uint8Array(1000), true);
    await small.capture.close();
    expect(small.capture.counters).toMatchObject({ frames: 1, skipped: 9 });
  });

  it('tells of a failing disk once, and goes on without it', async () => {
    const errors: unknown[] = [];
    const sink = {
      append: () => Promise.reject(new Error('ENOSPC')),
      close: async () => undefined,
    };
    const capture = new Capture(
      sink,
      'vif',
      'Domus',
      () => 0,
      1 << 20,
      (cause) => errors.push(cause),
    );
    await new Promise((resolve) => setImmediate(resolve));
    capture.record(new Uint8Array(60), true);
    await capture.close();
    expect(errors).toHaveLength(1);
    expect(capture.counters.skipped).toBe(1);
  });
});
