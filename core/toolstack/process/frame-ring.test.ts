import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { createFrameRing, FRAME_RING_BYTES, FrameRing, MAX_FRAME_BYTES } from './frame-ring';

function frameOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i + seed) & 0xff);
}

describe('a ring of frames', () => {
  it('gives frames back in order, over many turns', () => {
    const buffer = createFrameRing();
    const writer = new FrameRing(buffer);
    const reader = new FrameRing(buffer);
    for (let i = 0; i < 2000; i++) {
      const frame = frameOf(14 + ((i * 37) % 1500), i);
      expect(writer.push(frame)).toBe(true);
      expect(Buffer.compare(reader.peek()!, frame)).toBe(0);
      reader.take();
      expect(reader.peek()).toBeUndefined();
    }
  });

  it('refuses what does not fit, keeps what is there, and says when there is room', () => {
    const buffer = createFrameRing();
    const writer = new FrameRing(buffer);
    const reader = new FrameRing(buffer);
    let pushed = 0;
    while (writer.push(frameOf(1514, pushed))) pushed++;
    expect(pushed).toBeGreaterThan(FRAME_RING_BYTES / 1520 - 3);
    expect(reader.takeStarved()).toBe(true);
    expect(reader.takeStarved()).toBe(false);
    for (let i = 0; i < pushed; i++) {
      expect(Buffer.compare(reader.peek()!, frameOf(1514, i))).toBe(0);
      reader.take();
    }
    expect(writer.push(frameOf(60, 1))).toBe(true);
  });

  it('keeps offloads with their frames; only those may be large', () => {
    const ring = new FrameRing(createFrameRing());
    const offload = 2 | (1460 << 2);
    for (let i = 0; i < 100; i++) {
      const large = frameOf(MAX_FRAME_BYTES - i, i);
      expect(ring.push(large, offload)).toBe(true);
      ring.push(frameOf(1519, 0));
      ring.push(frameOf(60, i));
      expect(Buffer.compare(ring.peek()!, large)).toBe(0);
      expect(ring.offload).toBe(offload);
      ring.take();
      expect(ring.peek()).toEqual(frameOf(60, i));
      expect(ring.offload).toBe(0);
      ring.take();
      expect(ring.peek()).toBeUndefined();
    }
  });

  it('signals once until the reader looks', () => {
    const ring = new FrameRing(createFrameRing());
    ring.push(frameOf(60, 0));
    expect(ring.shouldSignal()).toBe(true);
    expect(ring.shouldSignal()).toBe(false);
    ring.beginRead();
    expect(ring.shouldSignal()).toBe(true);
  });

  it('reads nothing astray when its memory is nonsense', () => {
    const buffer = createFrameRing();
    const ring = new FrameRing(buffer);
    const words = new Int32Array(buffer);
    for (let seed = 1; seed < 3000; seed++) {
      for (let i = 0; i < 64; i++) words[i] = Math.imul(seed * 31 + i, 2654435761);
      const frame = ring.peek();
      if (frame) ring.take();
      expect(frame === undefined || frame.length <= MAX_FRAME_BYTES).toBe(true);
    }
  });

  it('carries frames between two threads without loss', async () => {
    const buffer = createFrameRing();
    const count = 20_000;
    const worker = new Worker(
      `const { workerData } = require('node:worker_threads');
       const control = new Int32Array(workerData.buffer, 0, 8);
       const words = new Int32Array(workerData.buffer, 32), bytes = new Uint8Array(workerData.buffer, 32);
       for (let i = 0; i < workerData.count; i++) {
         const length = 14 + (i * 131) % 1500, need = 4 + ((length + 3) & ~3);
         for (;;) {
           let written = Atomics.load(control, 0) >>> 0;
           const used = (written - (Atomics.load(control, 1) >>> 0)) >>> 0;
           const at = written % bytes.length, skip = at + need > bytes.length ? bytes.length - at : 0;
           if (used + skip + need > bytes.length) continue;
           if (skip) { words[at >> 2] = -1; written = (written + skip) >>> 0; }
           const start = written % bytes.length;
           words[start >> 2] = length;
           bytes.fill(i & 255, start + 4, start + 4 + length);
           Atomics.store(control, 0, (written + need) | 0);
           break;
         }
       }`,
      { eval: true, workerData: { buffer, count } },
    );
    const reader = new FrameRing(buffer);
    let seen = 0;
    while (seen < count) {
      const frame = reader.peek();
      if (!frame) {
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      const whole = frame.length === 14 + ((seen * 131) % 1500);
      if (!whole || frame[0] !== (seen & 255) || frame[frame.length - 1] !== (seen & 255))
        throw new Error(`frame ${seen} is wrong`);
      reader.take();
      seen++;
    }
    await worker.terminate();
    expect(seen).toBe(count);
  });
});
