import { describe, expect, it } from 'vitest';
import { deviceContract } from '../../../test/contract/device-contract';
import { ArrayMemory } from '../../../test/support/array-memory';
import { DirectBlock, MockBlock } from '../../../test/support/mock-block';
import { RecordingApicBus, RING_BASE, VirtioDriver } from '../../../test/support/virtio-driver';
import type { Mmio, PortIo } from '../../hw';
import { VirtioBlk, VirtioPci } from './index';

const VERSION_1 = 32;
const INDIRECT = 28;
const EVENT_IDX = 29;
const FLUSH = 9;
const CONFIG_WCE = 11;
const DISCARD = 13;
const WRITE_ZEROES = 14;
const DATA = 0x40000;
const HEADER = 0x60000;
const STATUS = 0x60100;

function lab(options: { sectors?: number; readOnly?: boolean; features?: number[] } = {}) {
  const memory = new ArrayMemory(1 << 20);
  const block = new MockBlock(options.sectors ?? 4096, options.readOnly);
  const bus = new RecordingApicBus();
  const device = new VirtioPci('vda', { memory, bus }, new VirtioBlk(block, { serial: 'DM01' }));
  const driver = new VirtioDriver(device, memory);
  driver.start(options.features ?? [VERSION_1, FLUSH], 1);
  const header = (type: number, sector: number, at = HEADER): void => {
    memory.writeU32(at, type);
    memory.writeU32(at + 4, 0);
    memory.writeU64(at + 8, BigInt(sector));
  };
  const request = (type: number, sector: number, length: number, write: boolean): void => {
    header(type, sector);
    memory.writeU8(STATUS, 0xee);
    driver.add(0, [
      { gpa: HEADER, length: 16 },
      ...(length > 0 ? [{ gpa: DATA, length, write }] : []),
      { gpa: STATUS, length: 1, write: true },
    ]);
  };
  return { memory, block, bus, device, driver, header, request };
}

deviceContract('virtio-blk', () => {
  const { device } = lab();
  device.reset('power-on');
  const bar = (index: number): unknown => device.bars.find((b) => b.index === index)?.handler;
  return {
    device,
    ports: [{ io: bar(0) as PortIo, count: 128 }],
    mmio: [
      { io: bar(1) as Mmio, bytes: 4096 },
      { io: bar(4) as Mmio, bytes: 0x4000 },
    ],
  };
});

describe('virtio-blk with an image that reads into memory and writes from it', () => {
  function direct() {
    const memory = new ArrayMemory(1 << 20);
    const block = new DirectBlock(4096);
    const bus = new RecordingApicBus();
    const device = new VirtioPci('vda', { memory, bus }, new VirtioBlk(block, { serial: 'DM01' }));
    const driver = new VirtioDriver(device, memory);
    driver.start([VERSION_1, FLUSH], 1);
    const ask = (type: number, sector: number, data: readonly (readonly [number, number])[]) => {
      memory.writeU32(HEADER, type);
      memory.writeU64(HEADER + 8, BigInt(sector));
      memory.writeU8(STATUS, 0xee);
      const segments = data.map(([gpa, length]) => ({ gpa, length, write: type === 0 }));
      const status = { gpa: STATUS, length: 1, write: true };
      driver.add(0, [{ gpa: HEADER, length: 16 }, ...segments, status]);
    };
    return { memory, block, driver, ask };
  }

  it('moves the data of a request in its pieces, neighbours together', () => {
    const { memory, block, driver, ask } = direct();
    ask(0, 7, [
      [DATA, 512],
      [DATA + 512, 512],
      [DATA + 4096, 1024],
    ]);
    expect(block.log).toEqual(['read 3584 into 2']);
    expect(memory.readU8(STATUS)).toBe(0xee);
    block.finish();
    expect(memory.readU8(STATUS)).toBe(0);
    expect(driver.takeUsed(0)).toEqual([[0, 2049]]);
    expect([0, 512, 4096, 4608].map((at) => memory.readU8(DATA + at))).toEqual([7, 8, 9, 10]);
    memory.fill(DATA, 8192, 0x77);
    ask(1, 20, [
      [DATA + 4096, 512],
      [DATA, 512],
    ]);
    expect(block.bytes.slice(20 * 512, 22 * 512).every((byte) => byte === 0x77)).toBe(true);
    block.finish();
    expect(memory.readU8(STATUS)).toBe(0);
  });

  it('takes a buffer for pieces that are not RAM, and when the image declines', () => {
    const { memory, block, ask } = direct();
    ask(0, 7, [
      [DATA, 512],
      [0x4000_0000, 512],
    ]);
    block.declines = true;
    ask(0, 7, [[DATA + 512, 512]]);
    expect(block.log).toEqual(['read 3584 1024', 'read 3584 512']);
    block.finish();
    expect([memory.readU8(DATA), memory.readU8(DATA + 512)]).toEqual([7, 7]);
  });
});

describe('virtio over PCI (VIRTIO 1.2, 4.1)', () => {
  it('is a transitional block device with all required capabilities', () => {
    const { device } = lab();
    const view = new DataView(device.config.buffer);
    expect(view.getUint16(0, true)).toBe(0x1af4);
    expect(view.getUint16(2, true)).toBe(0x1001);
    expect(view.getUint16(0x2e, true)).toBe(2);
    const types: number[] = [];
    for (let at = device.config[0x34]; at !== 0; at = device.config[at + 1])
      types.push(device.config[at] === 9 ? device.config[at + 3] : -device.config[at]);
    expect(types.sort((a, b) => a - b)).toEqual([-0x11, 1, 2, 3, 4, 5]);
  });

  it('does not keep FEATURES_OK when the driver takes what was not offered (3.1.1)', () => {
    const { driver } = lab();
    expect(driver.start([VERSION_1, 61], 1)).toBe(false);
    expect(driver.start([VERSION_1], 1)).toBe(true);
  });

  it('resets by writing 0 to the status, and forgets queues', () => {
    const { driver, request, block } = lab();
    request(0, 1, 512, true);
    driver.w8(0x14, 0);
    expect(driver.r8(0x14)).toBe(0);
    driver.w16(0x16, 0);
    expect(driver.r16(0x1c)).toBe(0);
    block.finish();
    expect(driver.takeUsed(0)).toEqual([]);
  });

  it('reaches registers through configuration space (4.1.4.9)', () => {
    const { device } = lab();
    const cap = 0x84;
    const view = new DataView(device.config.buffer);
    device.config[cap + 4] = 4;
    view.setUint32(cap + 8, 0x12, true);
    view.setUint32(cap + 12, 2, true);
    device.onConfigRead(cap + 16, 4);
    expect(view.getUint32(cap + 16, true)).toBe(1);
  });

  it('interrupts by INTx, whose cause the ISR register gives and clears', () => {
    const { driver, request, block } = lab();
    request(0, 1, 512, true);
    block.finish();
    expect(driver.irq.level).toBe(true);
    expect(driver.r8(0x1000)).toBe(1);
    expect(driver.irq.level).toBe(false);
    expect(driver.r8(0x1000)).toBe(0);
  });

  it('interrupts by MSI-X, keeping masked vectors pending', () => {
    const { driver, device, request, block, bus } = lab();
    const table = device.bars.find((b) => b.index === 1)?.handler as Mmio;
    device.config[0x98 + 3] = 0x80;
    table.writeMmio(16, 4, 0xfee00000);
    table.writeMmio(24, 4, 0x41);
    driver.start([VERSION_1], 1);
    request(0, 1, 512, true);
    block.finish();
    expect(bus.messages).toEqual([]);
    expect(table.readMmio(0x800, 4)).toBe(2);
    table.writeMmio(28, 4, 0);
    expect(bus.messages).toEqual([
      { destination: 0, logical: false, deliveryMode: 0, vector: 0x41, levelTriggered: false },
    ]);
    expect(table.readMmio(0x800, 4)).toBe(0);
    expect(driver.irq.level).toBe(false);
  });
});

describe('virtio-blk (VIRTIO 1.2, 5.2)', () => {
  it('tells its capacity', () => {
    const { driver } = lab();
    expect(driver.r32(0x2000)).toBe(4096);
    expect(driver.r32(0x2014)).toBe(512);
  });

  it('reads and writes sectors', () => {
    const { driver, memory, block, request } = lab();
    request(0, 7, 1024, true);
    block.finish();
    expect(memory.bytes[DATA]).toBe(7);
    expect(memory.bytes[DATA + 512]).toBe(8);
    expect(memory.bytes[STATUS]).toBe(0);
    expect(driver.takeUsed(0)).toEqual([[0, 1025]]);
    memory.bytes.fill(0x5a, DATA, DATA + 512);
    request(1, 9, 512, false);
    block.finish();
    expect([...block.bytes.subarray(9 * 512, 9 * 512 + 2)]).toEqual([0x5a, 0x5a]);
    expect(driver.takeUsed(0)).toEqual([[3, 1]]);
  });

  it('moves large requests in pieces of a mebibyte', () => {
    const { memory, block, driver, header } = lab({ sectors: 8192 });
    header(0, 0);
    const buffers = Array.from({ length: 8 }, () => ({ gpa: DATA, length: 0x40000, write: true }));
    driver.add(0, [
      { gpa: HEADER, length: 16 },
      ...buffers,
      { gpa: STATUS, length: 1, write: true },
    ]);
    block.finish();
    expect(block.log).toEqual(['read 0 1048576', 'read 1048576 1048576']);
    expect(memory.bytes[STATUS]).toBe(0);
  });

  it('has many requests under way and ends them in any order', () => {
    const { driver, memory, block, header } = lab();
    for (let i = 0; i < 3; i++) {
      header(0, i, HEADER + 16 * i);
      driver.add(0, [
        { gpa: HEADER + 16 * i, length: 16 },
        { gpa: DATA + 512 * i, length: 512, write: true },
        { gpa: STATUS + i, length: 1, write: true },
      ]);
    }
    expect(block.waiting).toBe(3);
    block.finishOne(2);
    block.finishOne(0);
    expect(driver.takeUsed(0)).toEqual([
      [6, 513],
      [0, 513],
    ]);
    block.finish();
    expect(memory.bytes[DATA + 512]).toBe(1);
  });

  it('reports errors, and refuses what lies outside the disk or is no whole sector', () => {
    const { memory, block, request } = lab();
    block.failing = { code: 'EIO', message: 'broken' };
    request(0, 7, 512, true);
    block.finish();
    expect(memory.bytes[STATUS]).toBe(1);
    block.failing = undefined;
    for (const [sector, length] of [
      [4096, 512],
      [4095, 1024],
      [2 ** 52, 512],
      [0, 100],
    ]) {
      request(0, sector, length, true);
      expect(memory.bytes[STATUS]).toBe(1);
    }
    request(77, 0, 512, true);
    expect(memory.bytes[STATUS]).toBe(2);
  });

  it('is read-only when its image is', () => {
    const { driver, memory, request } = lab({ readOnly: true });
    driver.w32(0, 0);
    expect(driver.r32(4) & (1 << 5)).not.toBe(0);
    request(1, 0, 512, false);
    expect(memory.bytes[STATUS]).toBe(1);
  });

  it('makes writes durable unless a driver that knows flush has the cache on (5.2.6.2)', () => {
    const through = lab({ features: [VERSION_1] });
    through.request(1, 0, 512, false);
    through.block.finish();
    expect(through.block.log).toEqual(['write 0 512', 'flush']);
    const back = lab({ features: [VERSION_1, FLUSH, CONFIG_WCE] });
    back.request(1, 0, 512, false);
    back.request(4, 0, 0, false);
    back.block.finish();
    back.driver.w8(0x2020, 0);
    back.request(1, 0, 512, false);
    back.block.finish();
    expect(back.block.log).toEqual(['write 0 512', 'flush', 'write 0 512', 'flush']);
  });

  it('discards and writes zeros by ranges', () => {
    const { driver, memory, block, request } = lab({
      features: [VERSION_1, FLUSH, DISCARD, WRITE_ZEROES],
    });
    const range = (at: number, sector: number, count: number, flags: number): void => {
      memory.writeU64(at, BigInt(sector));
      memory.writeU32(at + 8, count);
      memory.writeU32(at + 12, flags);
    };
    range(DATA, 8, 16, 0);
    range(DATA + 16, 64, 8, 0);
    request(11, 0, 32, false);
    block.finish();
    range(DATA, 8, 16, 1);
    request(13, 0, 16, false);
    block.finish();
    expect(block.log).toEqual(['discard 4096 8192', 'discard 32768 4096', 'zero 4096 8192 unmap']);
    expect(memory.bytes[STATUS]).toBe(0);
    range(DATA, 8, 16, 1);
    request(11, 0, 16, false);
    expect(memory.bytes[STATUS]).toBe(2);
    range(DATA, 4090, 16, 0);
    request(11, 0, 16, false);
    expect(memory.bytes[STATUS]).toBe(1);
    expect(driver.needsReset).toBe(false);
  });

  it('gives its serial number', () => {
    const { memory, request } = lab();
    request(8, 0, 20, true);
    expect(String.fromCharCode(...memory.bytes.subarray(DATA, DATA + 5))).toBe('DM01\0');
  });

  it('goes on after a restore with what was under way', () => {
    const first = lab();
    first.request(0, 7, 512, true);
    const state = structuredClone(first.device.save());
    const second = lab();
    second.memory.bytes.set(first.memory.bytes);
    second.device.restore(state);
    second.block.finish();
    expect(second.memory.bytes[DATA]).toBe(7);
    expect(second.memory.bytes[STATUS]).toBe(0);
  });

  it('starts nothing new after a reset until the image is done with the old', () => {
    const { driver, request, block } = lab();
    request(1, 1, 512, false);
    driver.start([VERSION_1, FLUSH], 1);
    request(1, 1, 512, false);
    expect(block.waiting).toBe(1);
    block.finishOne(0);
    expect(block.waiting).toBe(1);
    block.finish();
    expect(driver.takeUsed(0)).toHaveLength(1);
  });
});

describe('split virtqueue (VIRTIO 1.2, 2.7)', () => {
  const chain = [
    { gpa: HEADER, length: 16 },
    { gpa: DATA, length: 512, write: true },
    { gpa: STATUS, length: 1, write: true },
  ] as const;

  it('follows indirect descriptors', () => {
    const { driver, memory, block, header } = lab({ features: [VERSION_1, INDIRECT] });
    header(0, 3);
    const table = 0x70000;
    chain.forEach((buffer, i) => {
      memory.writeU64(table + 16 * i, BigInt(buffer.gpa));
      memory.writeU32(table + 16 * i + 8, buffer.length);
      memory.writeU16(table + 16 * i + 12, (i < 2 ? 1 : 0) | ('write' in buffer ? 2 : 0));
      memory.writeU16(table + 16 * i + 14, i + 1);
    });
    driver.describe(0, 0, { gpa: table, length: 48 }, -1, 4);
    driver.offer(0, 0);
    driver.kick(0);
    block.finish();
    expect(memory.bytes[DATA]).toBe(3);
    expect(driver.takeUsed(0)).toEqual([[0, 513]]);
  });

  it.each([
    ['a loop', 0, 1],
    ['a descriptor outside the table', 0, 99],
  ])('stops at %s and asks for a reset', (_name, from, to) => {
    const { driver, header } = lab();
    header(0, 0);
    driver.describe(0, from, chain[0], to);
    driver.describe(0, 1, chain[0], 0);
    driver.offer(0, 0);
    driver.kick(0);
    expect(driver.needsReset).toBe(true);
    expect(driver.r8(0x1000) & 2).toBe(2);
  });

  it('stops at an index that runs ahead of the ring', () => {
    const { driver, memory } = lab();
    memory.writeU16(driver.avail(0) + 2, 17);
    driver.kick(0);
    expect(driver.needsReset).toBe(true);
  });

  it('stops at an indirect table in an indirect table, or without the feature', () => {
    for (const features of [[VERSION_1], [VERSION_1, INDIRECT]]) {
      const { driver, memory } = lab({ features });
      memory.writeU32(0x70008, 16);
      memory.writeU16(0x7000c, 4);
      driver.describe(0, 0, { gpa: 0x70000, length: 16 }, -1, 4);
      driver.offer(0, 0);
      driver.kick(0);
      expect(driver.needsReset).toBe(true);
    }
  });

  it('survives rings and buffers outside of memory', () => {
    const { driver, header } = lab();
    header(0, 0);
    driver.add(0, [chain[0], { gpa: 0xffff_ffff_f000, length: 512, write: true }, chain[2]]);
    driver.w8(0x14, 0);
    driver.w8(0x14, 3);
    driver.w16(0x16, 0);
    for (let at = 0x20; at < 0x38; at += 4) driver.w32(at, 0xffffffff);
    driver.w16(0x1c, 1);
    driver.w8(0x14, 15);
    driver.kick(0);
    expect(driver.r8(0x14) & 4).toBe(4);
  });

  it('interrupts only at the used event (2.7.7.2)', () => {
    const { driver, memory, block, request } = lab({ features: [VERSION_1, EVENT_IDX] });
    memory.writeU16(driver.avail(0) + 4 + 2 * driver.size, 1);
    request(0, 0, 512, true);
    block.finish();
    expect(driver.irq.level).toBe(false);
    request(0, 0, 512, true);
    block.finish();
    expect(driver.irq.level).toBe(true);
    // avail_event: kicks are wanted from the next one on.
    expect(memory.readU16(driver.used(0) + 4 + 8 * driver.size)).toBe(2);
  });

  it('is silent when the driver says so', () => {
    const { driver, memory, block, request } = lab();
    memory.writeU16(driver.avail(0), 1);
    request(0, 0, 512, true);
    block.finish();
    expect(driver.irq.level).toBe(false);
    expect(driver.takeUsed(0)).toHaveLength(1);
  });
});

describe('legacy interface (4.1.4.8)', () => {
  it('reads a sector with rings at a page number', () => {
    const { driver, memory, block, header } = lab();
    const { legacy } = driver;
    legacy.writePort(0x12, 1, 0);
    legacy.writePort(0x12, 1, 3);
    expect(legacy.readPort(0, 4) & (1 << FLUSH)).not.toBe(0);
    legacy.writePort(4, 4, 1 << FLUSH);
    legacy.writePort(0x0e, 2, 0);
    const size = legacy.readPort(0x0c, 2);
    expect(size).toBe(256);
    memory.fill(RING_BASE, 0x10000, 0);
    legacy.writePort(8, 4, RING_BASE >> 12);
    expect(legacy.readPort(8, 4)).toBe(RING_BASE >> 12);
    legacy.writePort(0x12, 1, 7);
    header(0, 5);
    [HEADER, DATA, STATUS].forEach((gpa, i) => {
      memory.writeU64(RING_BASE + 16 * i, BigInt(gpa));
      memory.writeU32(RING_BASE + 16 * i + 8, [16, 512, 1][i]);
      memory.writeU16(RING_BASE + 16 * i + 12, [1, 3, 2][i]);
      memory.writeU16(RING_BASE + 16 * i + 14, i + 1);
    });
    memory.writeU16(RING_BASE + 4096 + 2, 1);
    legacy.writePort(0x10, 2, 0);
    block.finish();
    expect(memory.bytes[DATA]).toBe(5);
    expect(memory.readU16(RING_BASE + 8192 + 2)).toBe(1);
    expect(legacy.readPort(0x13, 1)).toBe(1);
    // Capacity, behind the registers as long as MSI-X is off.
    expect(legacy.readPort(0x14, 4)).toBe(4096);
  });
});
