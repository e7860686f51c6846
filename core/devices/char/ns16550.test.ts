import { beforeEach, describe, expect, it } from 'vitest';
import type { CharBackend } from '../../hw';
import { deviceContract } from '../../../test/contract/device-contract';
import { MockClock } from '../../../test/support/mock-clock';
import { RecordingLine } from '../../../test/support/recording-line';
import { Ns16550 } from './ns16550';

let clock: MockClock;
let irq: RecordingLine;
let line: CharBackend & { out: string[] };
let uart: Ns16550;
beforeEach(() => {
  clock = new MockClock();
  irq = new RecordingLine();
  const out: string[] = [];
  line = { out, write: (bytes) => out.push(String.fromCharCode(...bytes)) };
  uart = new Ns16550({ clock, irq, line }, { id: 'com1' });
  write(4, 0x0b);
});
const read = (offset: number): number => uart.readPort(offset, 1);
const write = (offset: number, value: number): void => uart.writePort(offset, 1, value);
const type = (text: string): void =>
  line.onReceive?.(Uint8Array.from(text, (c) => c.charCodeAt(0)));

describe('Ns16550', () => {
  it('sends bytes in batches of a millisecond', () => {
    for (const c of 'hello') write(0, c.charCodeAt(0));
    expect(line.out).toEqual([]);
    clock.advance(1e6);
    expect(line.out).toEqual(['hello']);
  });

  it('is found to be a 16550A by Linux autoconfig', () => {
    write(1, 0);
    const scratch = read(1);
    write(1, 0x0f);
    expect([scratch & 0x0f, read(1)]).toEqual([0, 0x0f]);
    write(1, 0);
    // Loopback: RTS and OUT2 appear as CTS and DCD.
    write(4, 0x10 | 0x0a);
    expect(read(6) & 0xf0).toBe(0x90);
    write(4, 0x0b);
    write(2, 0x01);
    expect(read(2) >> 6).toBe(3);
    write(2, 0);
    expect(read(2) >> 6).toBe(0);
  });

  it('interrupts with THRE when enabled and after each byte, cleared by IIR', () => {
    write(1, 0x02);
    expect(irq.level).toBe(true);
    expect(read(2) & 0x0f).toBe(0x02);
    expect(irq.level).toBe(false);
    expect(read(2) & 0x0f).toBe(0x01);
    write(0, 65);
    expect(irq.edges).toBe(2);
  });

  it('interrupts at the trigger level, else after the character time-out', () => {
    write(2, 0x81);
    write(1, 0x01);
    type('1234567');
    expect(irq.level).toBe(false);
    type('8');
    expect(read(2) & 0x0f).toBe(0x04);
    for (let i = 0; i < 8; i++) read(0);
    expect(irq.level).toBe(false);
    type('x');
    clock.advance(5_000_000);
    expect(read(2) & 0x0f).toBe(0x0c);
    expect(String.fromCharCode(read(0))).toBe('x');
    expect(read(2) & 0x0f).toBe(0x01);
  });

  it('queues what the FIFO cannot take and loses nothing', () => {
    write(2, 0x01);
    const text = 'The quick brown fox jumps over the lazy dog';
    type(text);
    let got = '';
    while (read(5) & 1) got += String.fromCharCode(read(0));
    expect(got).toBe(text);
    expect(read(5) & 0x02).toBe(0);
  });

  it('reports overrun in loopback without FIFO', () => {
    write(4, 0x13);
    write(0, 1);
    write(0, 2);
    expect(read(5) & 0x03).toBe(0x03);
    expect(read(5) & 0x02).toBe(0);
    expect(read(0)).toBe(2);
  });

  it('shows modem status changes once', () => {
    expect(read(6)).toBe(0xb0);
    write(4, 0x1b);
    expect(read(6) & 0x0f).toBe(0);
    write(4, 0x10);
    expect(read(6) & 0x0f).toBe(0x0b);
    expect(read(6) & 0x0f).toBe(0);
  });

  it('reaches the divisor latch only with DLAB', () => {
    write(3, 0x83);
    write(0, 1);
    write(1, 0);
    expect([read(0), read(1)]).toEqual([1, 0]);
    write(3, 0x03);
    expect(read(1)).toBe(0);
  });

  it('keeps the interrupt off the bus without OUT2', () => {
    write(4, 0x03);
    write(1, 0x02);
    expect(irq.level).toBe(false);
  });
});

deviceContract('Ns16550', () => {
  const device = new Ns16550(
    { clock: new MockClock(), irq: new RecordingLine(), line: { write() {} } },
    { id: 'com1' },
  );
  return { device, ports: [{ io: device, count: 8 }] };
});
