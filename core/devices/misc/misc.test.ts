import { describe, expect, it } from 'vitest';
import { deviceContract } from '../../../test/contract/device-contract';
import { MockClock } from '../../../test/support/mock-clock';
import { DebugPort } from './debug-port';
import { I8237 } from './dma-i8237';
import { Port92 } from './port92';

describe('DebugPort', () => {
  it('is found by its value and prints in batches', () => {
    const clock = new MockClock();
    const out: number[] = [];
    const port = new DebugPort({ clock, line: { write: (bytes) => out.push(...bytes) } });
    expect(port.readPort(0, 1)).toBe(0xe9);
    port.writePort(0, 1, 65);
    port.writePort(0, 1, 66);
    expect(out).toEqual([]);
    clock.advance(1e6);
    expect(out).toEqual([65, 66]);
  });
});

describe('Port92', () => {
  it('moves A20 and resets', () => {
    const events: string[] = [];
    const port = new Port92({
      onA20: (on) => events.push(`a20 ${on}`),
      onReset: () => events.push('reset'),
    });
    port.writePort(0, 1, 0);
    port.writePort(0, 1, 2);
    port.writePort(0, 1, 3);
    expect(events).toEqual(['a20 false', 'a20 true', 'reset']);
    expect(port.readPort(0, 1)).toBe(2);
  });
});

describe('I8237', () => {
  it('holds addresses through the flip-flop (BIOS register test)', () => {
    const dma = new I8237();
    dma.low.writePort(12, 1, 0);
    dma.low.writePort(2, 1, 0x34);
    dma.low.writePort(2, 1, 0x12);
    dma.low.writePort(12, 1, 0);
    expect([dma.low.readPort(2, 1), dma.low.readPort(2, 1)]).toEqual([0x34, 0x12]);
    dma.high.writePort(0x1a, 1, 0);
    dma.high.writePort(0x04, 1, 0x78);
    dma.high.writePort(0x04, 1, 0x56);
    expect([dma.high.readPort(0x04, 1), dma.high.readPort(0x04, 1)]).toEqual([0x78, 0x56]);
    dma.pages.writePort(0, 1, 0x42);
    expect(dma.pages.readPort(0, 1)).toBe(0x42);
  });
});

deviceContract('I8237', () => {
  const dma = new I8237();
  return {
    device: dma,
    ports: [
      { io: dma.low, count: 16 },
      { io: dma.high, count: 32 },
      { io: dma.pages, count: 16 },
    ],
  };
});
deviceContract('Port92', () => {
  const device = new Port92({ onA20() {}, onReset() {} });
  return { device, ports: [{ io: device, count: 1 }] };
});
