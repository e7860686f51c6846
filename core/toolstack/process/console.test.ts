import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DomainConsole, HistoryRing } from './console';
import { ByteRing } from './shared';

const bytes = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text));
const text = (data: Uint8Array): string => Buffer.from(data).toString();

describe('HistoryRing', () => {
  it('keeps the last bytes and counts what came before', () => {
    const ring = new HistoryRing(8);
    for (const chunk of ['abc', 'defgh', 'ij', 'klmnopqrstuv', 'w']) ring.append(bytes(chunk));
    expect(text(ring.slice(0, 100))).toBe('pqrstuvw');
    expect([ring.totalBytes, ring.firstKept]).toEqual([23, 15]);
    expect(text(ring.slice(20, 2))).toBe('uv');
  });
});

describe('DomainConsole', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('gives the history since boot, then the stream, each byte once', () => {
    let sent = '';
    const line = new DomainConsole((data) => (sent += text(data)));
    line.append(bytes('boot '));
    vi.runAllTimers();
    expect(sent).toBe('');
    expect(text(line.open().bytes)).toBe('boot ');
    line.append(bytes('more'));
    line.append(bytes('!'));
    vi.runAllTimers();
    expect(sent).toBe('more!');
  });

  it('loses nothing for the first watcher when a second comes', () => {
    let sent = '';
    const line = new DomainConsole((data) => (sent += text(data)));
    line.open();
    line.append(bytes('waits'));
    expect(text(line.open().bytes)).toBe('waits');
    line.append(bytes('!'));
    vi.runAllTimers();
    expect(sent).toBe('waits!');
  });

  it('never sends more than it has credit for', () => {
    let sent = 0;
    const line = new DomainConsole((data) => (sent += data.length));
    line.open();
    line.append(new Uint8Array(600 << 10));
    vi.runAllTimers();
    expect(sent).toBe(256 << 10);
    line.addCredit(100);
    vi.runAllTimers();
    expect(sent).toBe((256 << 10) + 100);
    line.finish();
    expect(sent).toBe(600 << 10);
  });

  it('goes on behind what a slow reader missed', () => {
    let sent = '';
    const line = new DomainConsole((data) => (sent += text(data)));
    line.open();
    line.append(new Uint8Array(3 << 20));
    line.append(bytes('end'));
    line.finish();
    expect(sent.length).toBe(1 << 20);
    expect(sent.endsWith('end')).toBe(true);
    expect(line.open().dropped).toBe((2 << 20) + 3);
  });
});

describe('ByteRing', () => {
  it('passes bytes on in order, whatever the sizes', () => {
    const ring = new ByteRing(new SharedArrayBuffer(ByteRing.HEADER_BYTES + 16));
    let written = 0;
    let taken = 0;
    for (let round = 1; round < 200; round++) {
      const chunk = Uint8Array.from({ length: round % 11 }, (_, i) => (written + i) & 0xff);
      const count = ring.write(chunk, 0);
      written += count;
      if (round % 3 === 0) for (const byte of ring.take()) expect(byte).toBe(taken++ & 0xff);
    }
    for (const byte of ring.take()) expect(byte).toBe(taken++ & 0xff);
    expect(taken).toBe(written);
  });

  it('takes what fits and says how much that was', () => {
    const ring = new ByteRing(new SharedArrayBuffer(ByteRing.HEADER_BYTES + 16));
    expect(ring.write(new Uint8Array(20), 0)).toBe(16);
    expect(ring.write(new Uint8Array(20), 0)).toBe(0);
    expect(ring.take().length).toBe(16);
  });
});
