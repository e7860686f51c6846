import { describe, expect, it } from 'vitest';
import { deviceContract } from '../../../test/contract/device-contract';
import { ArrayMemory } from '../../../test/support/array-memory';
import { DirectBlock, MockBlock } from '../../../test/support/mock-block';
import { RecordingLine } from '../../../test/support/recording-line';
import { RecordingApicBus } from '../../../test/support/virtio-driver';
import type { Mmio } from '../../hw';
import { AtaDisk, AtapiCdrom } from '../ide';
import { AhciHba } from './ahci-hba';
import * as r from './ahci-regs';

const LIST = 0x1000;
const RFIS = 0x2000;
const TABLES = 0x4000;
const DATA = 0x40000;
const IDENTIFY = 0xec;
const READ_DMA_EXT = 0x25;
const WRITE_DMA_EXT = 0x35;
const READ_SECTORS_EXT = 0x24;
const FLUSH_CACHE_EXT = 0xea;
const READ_FPDMA = 0x60;
const WRITE_FPDMA = 0x61;
const READ_LOG_EXT = 0x2f;
const DATA_SET_MANAGEMENT = 0x06;

interface Command {
  readonly code: number;
  readonly lba?: number;
  readonly count?: number;
  readonly feature?: number;
  readonly device?: number;
  readonly write?: boolean;
  readonly prds?: readonly (readonly [gpa: number, length: number])[];
  readonly packet?: readonly number[];
}

function lab(options: { sectors?: number; block?: MockBlock } = {}) {
  const memory = new ArrayMemory(1 << 20);
  const block = options.block ?? new MockBlock(options.sectors ?? 4096);
  const disc = new MockBlock(64, true);
  const bus = new RecordingApicBus();
  const device = new AhciHba({ memory, bus });
  const irq = new RecordingLine();
  device.irq = irq;
  device.attach(0, new AtaDisk(block, { serial: 'DM1', sata: true }));
  device.attach(1, new AtapiCdrom(disc, { serial: 'DM2' }));
  const window = device.bars[0].handler as Mmio;
  const read = (at: number): number => window.readMmio(at, 4);
  const write = (at: number, value: number): void => window.writeMmio(at, 4, value);
  const port = (n: number, register: number): number => 0x100 + 0x80 * n + register;
  const start = (n: number): void => {
    write(r.GHC, r.GHC_AE | r.GHC_IE);
    write(port(n, r.PXCLB), LIST);
    write(port(n, r.PXFB), RFIS);
    write(port(n, r.PXSERR), 0xffffffff);
    write(port(n, r.PXCMD), r.PXCMD_FRE);
    write(port(n, r.PXCMD), r.PXCMD_FRE | r.PXCMD_ST);
    write(port(n, r.PXIS), 0xffffffff);
    write(r.IS, 0xff);
    write(port(n, r.PXIE), 0xffffffff);
  };
  const build = (slot: number, command: Command): void => {
    const { code, lba = 0, count = 0, feature = 0, device: dev = 0x40, prds = [] } = command;
    const table = TABLES + slot * 0x400;
    const header = LIST + slot * 32;
    const flags = 5 | (command.write ? 0x40 : 0) | (command.packet ? 0x20 : 0);
    memory.writeU32(header, flags | (prds.length << 16));
    memory.writeU32(header + 4, 0);
    memory.writeU32(header + 8, table);
    memory.writeU32(header + 12, 0);
    const fis = [0x27, 0x80, code, feature & 0xff, lba & 0xff, (lba >> 8) & 0xff];
    fis.push((lba >> 16) & 0xff, dev, (lba >>> 24) & 0xff, 0, 0, feature >> 8);
    fis.push(count & 0xff, count >> 8, 0, 0);
    memory.write(table, Uint8Array.from(fis));
    memory.write(table + 0x40, Uint8Array.from(command.packet ?? []));
    prds.forEach(([gpa, length], i) => {
      memory.writeU64(table + 0x80 + 16 * i, BigInt(gpa));
      memory.writeU32(table + 0x8c + 16 * i, length - 1);
    });
  };
  const run = (n: number, command: Command, slot = 0): void => {
    build(slot, command);
    write(port(n, r.PXCI), 1 << slot);
  };
  const queue = (slot: number, command: Command): void => {
    build(slot, { ...command, feature: command.count ?? 0, count: slot << 3 });
    write(port(0, r.PXSACT), 1 << slot);
    write(port(0, r.PXCI), 1 << slot);
  };
  return { memory, block, disc, bus, device, irq, window, read, write, port, start, run, queue };
}

deviceContract('ahci', () => {
  const { device, window } = lab();
  device.reset('power-on');
  return { device, mmio: [{ io: window, bytes: 0x1000 }] };
});

describe('AHCI with an image that reads into memory and writes from it', () => {
  const DATA = 0x40000;
  const PIECES = [
    [DATA, 1024],
    [DATA + 0x2000, 512],
  ] as const;

  it('moves queued commands without a buffer, and counts their bytes', () => {
    const block = new DirectBlock(4096);
    const { memory, read, port, start, queue } = lab({ block });
    start(0);
    queue(3, { code: READ_FPDMA, lba: 5, count: 3, prds: PIECES });
    expect(block.log).toEqual(['read 2560 into 2']);
    expect(read(port(0, r.PXSACT))).toBe(8);
    block.finish();
    expect(read(port(0, r.PXSACT))).toBe(0);
    expect([0, 512, 0x2000].map((at) => memory.readU8(DATA + at))).toEqual([5, 6, 7]);
    expect(memory.readU32(LIST + 3 * 32 + 4)).toBe(1536);
    memory.fill(DATA, 0x4000, 0x66);
    queue(4, { code: WRITE_FPDMA, lba: 9, count: 3, write: true, prds: PIECES });
    block.finish();
    expect(block.bytes.slice(9 * 512, 12 * 512).every((byte) => byte === 0x66)).toBe(true);
  });

  it('takes the buffer where the table is too short, which is an overflow', () => {
    const block = new DirectBlock(4096);
    const { memory, read, port, start, queue } = lab({ block });
    start(0);
    queue(0, { code: READ_FPDMA, lba: 5, count: 4, prds: PIECES });
    expect(block.log).toEqual(['read 2560 2048']);
    block.finish();
    expect(memory.readU8(DATA + 0x2000)).toBe(7);
    expect(read(port(0, r.PXIS)) & r.PXIS_OFS).toBe(r.PXIS_OFS);
  });
});

describe('AHCI host adapter (AHCI 1.3.1, 3.1)', () => {
  it('tells what it can do', () => {
    const { read } = lab();
    const cap = read(r.CAP);
    expect((cap & 31) + 1).toBe(6);
    expect(((cap >>> 8) & 31) + 1).toBe(32);
    expect(cap & 0x4000_0000).not.toBe(0);
    expect(read(r.PI)).toBe(0x3f);
    expect(read(r.GHC) >>> 31).toBe(1);
  });

  it('shows device presence and signatures, after FIS receive is on and after COMRESET', () => {
    const { read, write, port, memory, start } = lab();
    expect([0, 1, 2].map((n) => read(port(n, r.PXSSTS)))).toEqual([0x123, 0x123, 0]);
    expect(read(port(2, r.PXTFD))).toBe(0x7f);
    start(1);
    expect(read(port(1, r.PXSIG))).toBe(0xeb140101);
    expect(memory.readU8(RFIS + r.RFIS_D2H)).toBe(0x34);
    write(port(0, r.PXSCTL), 1);
    expect(read(port(0, r.PXSSTS))).toBe(0);
    write(port(0, r.PXSCTL), 0);
    expect(read(port(0, r.PXSSTS))).toBe(0x123);
    expect(read(port(0, r.PXSIG))).toBe(0x101);
    expect(read(port(0, r.PXIS)) & r.PXIS_PCS).toBe(r.PXIS_PCS);
    write(port(0, r.PXSERR), r.SERR_DIAG_X);
    expect(read(port(0, r.PXIS)) & r.PXIS_PCS).toBe(0);
  });

  it('interrupts by its line, or by MSI', () => {
    const { irq, device, bus, read, write, port, start, run, block } = lab();
    start(0);
    run(0, { code: FLUSH_CACHE_EXT });
    block.finish();
    expect(irq.level).toBe(true);
    expect(read(r.IS)).toBe(1);
    write(r.IS, 1);
    expect(irq.level).toBe(true);
    write(port(0, r.PXIS), r.PXIS_DHRS);
    write(r.IS, 1);
    expect(irq.level).toBe(false);
    device.config.set([1], 0x82);
    device.config.set([0, 0, 0xe0, 0xfe], 0x84);
    device.config.set([0x51], 0x8c);
    device.config[4] = 4;
    run(0, { code: FLUSH_CACHE_EXT });
    block.finish();
    expect(bus.messages).toHaveLength(1);
    expect(irq.level).toBe(false);
  });
});

describe('AHCI commands (AHCI 1.3.1, 5)', () => {
  it('identifies the disk by PIO: NCQ, TRIM, serial transport', () => {
    const { memory, read, port, start, run } = lab();
    start(0);
    run(0, { code: IDENTIFY, prds: [[DATA, 512]] });
    const word = (n: number): number => memory.readU16(DATA + 2 * n);
    expect(word(75)).toBe(31);
    expect(word(76) & 0x100).toBe(0x100);
    expect(word(169)).toBe(1);
    expect(word(93)).toBe(0);
    expect(read(port(0, r.PXCI))).toBe(0);
    expect(read(port(0, r.PXIS))).toBe(r.PXIS_PSS);
    expect(memory.readU32(LIST + 4)).toBe(512);
    expect([...memory.read(RFIS + r.RFIS_PIO_SETUP, 3)]).toEqual([0x5f, 0x60, 0x58]);
    expect(memory.readU8(RFIS + r.RFIS_PIO_SETUP + 15)).toBe(0x50);
  });

  it('reads by DMA over several regions, and by PIO over several blocks', () => {
    const { memory, block, read, port, start, run } = lab();
    start(0);
    const prds = [
      [DATA, 700],
      [DATA + 0x1000, 836],
    ] as const;
    for (const code of [READ_DMA_EXT, READ_SECTORS_EXT]) {
      memory.fill(DATA, 0x2000, 0);
      run(0, { code, lba: 5, count: 3, prds });
      expect(read(port(0, r.PXTFD)) & 0x80).toBe(0x80);
      block.finish();
      expect(read(port(0, r.PXCI))).toBe(0);
      expect(memory.readU8(DATA)).toBe(5);
      expect(memory.readU8(DATA + 512)).toBe(6);
      expect(memory.readU8(DATA + 0x1000 + 1024 - 700)).toBe(7);
      expect(memory.readU32(LIST + 4)).toBe(1536);
    }
  });

  it('writes by DMA and flushes, one command after the other', () => {
    const { memory, block, read, port, start, run } = lab();
    start(0);
    memory.fill(DATA, 1024, 0xa5);
    run(0, { code: WRITE_DMA_EXT, lba: 9, count: 2, write: true, prds: [[DATA, 1024]] }, 3);
    run(0, { code: FLUSH_CACHE_EXT }, 4);
    expect(block.log).toEqual(['write 4608 1024']);
    block.finish();
    expect(block.log).toEqual(['write 4608 1024', 'flush']);
    expect(block.bytes[4608]).toBe(0xa5);
    expect(read(port(0, r.PXCI))).toBe(0);
  });

  it('stops at an error until ST is cleared (6.2.2)', () => {
    const { block, read, write, port, start, run } = lab();
    start(0);
    run(0, { code: READ_DMA_EXT, lba: 4095, count: 2, prds: [[DATA, 1024]] });
    expect(read(port(0, r.PXTFD))).toBe(0x1051);
    expect(read(port(0, r.PXIS)) & r.PXIS_TFES).toBe(r.PXIS_TFES);
    expect(read(port(0, r.PXCI))).toBe(1);
    run(0, { code: FLUSH_CACHE_EXT }, 1);
    expect(block.log).toEqual([]);
    write(port(0, r.PXCMD), r.PXCMD_FRE);
    expect(read(port(0, r.PXCI))).toBe(0);
    write(port(0, r.PXCMD), r.PXCMD_FRE | r.PXCMD_ST);
    run(0, { code: FLUSH_CACHE_EXT }, 1);
    block.finish();
    expect(read(port(0, r.PXCI))).toBe(0);
  });

  it('ends a write without data and reports a read without room', () => {
    const { block, read, write, port, start, run } = lab();
    start(0);
    run(0, { code: READ_DMA_EXT, count: 2, prds: [[DATA, 512]] });
    block.finish();
    expect(read(port(0, r.PXIS)) & r.PXIS_OFS).toBe(r.PXIS_OFS);
    write(port(0, r.PXIS), 0xffffffff);
    run(0, { code: WRITE_DMA_EXT, count: 2, write: true, prds: [[DATA, 512]] });
    expect(read(port(0, r.PXIS)) & r.PXIS_TFES).toBe(r.PXIS_TFES);
    expect(block.log).toEqual(['read 0 1024']);
  });

  it('resets softly by two control FISes (Serial ATA 11.4)', () => {
    const { memory, read, write, port, start } = lab();
    start(0);
    for (const srst of [4, 0]) {
      memory.writeU32(LIST, 5);
      memory.writeU32(LIST + 8, TABLES);
      memory.write(TABLES, Uint8Array.from([0x27, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, srst]));
      write(port(0, r.PXCI), 1);
      expect(read(port(0, r.PXCI))).toBe(0);
    }
    expect(read(port(0, r.PXSIG))).toBe(0x101);
    expect(read(port(0, r.PXTFD))).toBe(0x150);
  });

  it('sends packets to the CD-ROM drive and takes its data by DMA', () => {
    const { memory, disc, read, port, start, run } = lab();
    start(1);
    const packet = [0x28, 0, 0, 0, 0, 2, 0, 0, 1, 0, 0, 0];
    run(1, { code: 0xa0, feature: 1, packet, prds: [[DATA, 2048]] });
    disc.finish();
    expect(read(port(1, r.PXCI))).toBe(0);
    expect(memory.readU8(DATA)).toBe(8);
    run(1, { code: 0xa0, packet: [0x12, 0, 0, 0, 36, 0, 0, 0, 0, 0, 0, 0], prds: [[DATA, 36]] });
    expect(memory.readU8(DATA)).toBe(5);
    expect(read(port(1, r.PXIS)) & r.PXIS_DHRS).toBe(r.PXIS_DHRS);
    run(1, { code: 0xa0, packet: [0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] });
    expect(read(port(1, r.PXTFD)) & 0xf001).toBe(0x5001);
  });

  it('trims by ranges (ATA8-ACS 7.10)', () => {
    const { memory, block, read, port, start, run } = lab();
    start(0);
    memory.writeU64(DATA, (8n << 48n) | 16n);
    memory.writeU64(DATA + 8, (1n << 48n) | 100n);
    const prds = [[DATA, 512]] as const;
    run(0, { code: DATA_SET_MANAGEMENT, feature: 1, count: 1, write: true, prds });
    block.finish();
    expect(block.log).toEqual(['discard 8192 4096', 'discard 51200 512']);
    expect(read(port(0, r.PXTFD))).toBe(0x50);
  });
});

describe('native command queuing (Serial ATA 13.6)', () => {
  it('has many commands under way and ends them in any order', () => {
    const { memory, block, read, port, start, queue } = lab();
    start(0);
    for (const slot of [0, 1, 2])
      queue(slot, { code: READ_FPDMA, lba: slot + 1, count: 1, prds: [[DATA + 512 * slot, 512]] });
    expect(block.waiting).toBe(3);
    expect([read(port(0, r.PXCI)), read(port(0, r.PXSACT))]).toEqual([0, 7]);
    block.finishOne(1);
    expect(read(port(0, r.PXSACT))).toBe(5);
    expect(memory.readU8(DATA + 512)).toBe(2);
    expect(memory.readU32(RFIS + r.RFIS_SDB + 4)).toBe(2);
    expect(read(port(0, r.PXIS)) & r.PXIS_SDBS).toBe(r.PXIS_SDBS);
    block.finish();
    expect(read(port(0, r.PXSACT))).toBe(0);
  });

  it('writes, durably with FUA', () => {
    const { memory, block, start, queue } = lab();
    start(0);
    memory.fill(DATA, 512, 0x77);
    const command = { code: WRITE_FPDMA, lba: 3, count: 1, write: true } as const;
    queue(0, { ...command, device: 0xc0, prds: [[DATA, 512]] });
    block.finish();
    expect(block.log).toEqual(['write 1536 512', 'flush']);
    expect(block.bytes[1536]).toBe(0x77);
  });

  it('stops at an error, whose command the log names', () => {
    const { memory, block, read, write, port, start, run, queue } = lab();
    start(0);
    queue(4, { code: READ_FPDMA, lba: 1, count: 1, prds: [[DATA, 512]] });
    queue(5, { code: READ_FPDMA, lba: 5000, count: 1, prds: [[DATA, 512]] });
    expect(read(port(0, r.PXIS)) & r.PXIS_TFES).toBe(r.PXIS_TFES);
    block.finish();
    expect(read(port(0, r.PXSACT))).toBe(0x30);
    write(port(0, r.PXCMD), r.PXCMD_FRE);
    write(port(0, r.PXCMD), r.PXCMD_FRE | r.PXCMD_ST);
    run(0, { code: READ_LOG_EXT, lba: 0x10, count: 1, prds: [[DATA, 512]] });
    expect([...memory.read(DATA, 7)]).toEqual([5, 0, 0x51, 0x10, 0x88, 0x13, 0]);
    expect(memory.read(DATA, 512).reduce((sum, byte) => sum + byte, 0) & 0xff).toBe(0);
  });

  it('refuses a slot that is under way', () => {
    const { read, port, start, queue, block } = lab();
    start(0);
    const command = { code: READ_FPDMA, lba: 1, count: 1, prds: [[DATA, 512]] } as const;
    queue(0, command);
    queue(0, command);
    expect(block.waiting).toBe(1);
    expect(read(port(0, r.PXIS)) & r.PXIS_TFES).toBe(r.PXIS_TFES);
  });

  it('goes on after a restore, with queued commands and without', () => {
    for (const queued of [true, false]) {
      const first = lab();
      first.start(0);
      const prds = [[DATA, 512]] as const;
      if (queued) first.queue(0, { code: READ_FPDMA, lba: 7, count: 1, prds });
      else first.run(0, { code: READ_DMA_EXT, lba: 7, count: 1, prds });
      const second = lab();
      second.memory.bytes.set(first.memory.bytes);
      second.device.restore(structuredClone(first.device.save()));
      second.block.finish();
      expect(second.memory.readU8(DATA)).toBe(7);
      expect(second.read(second.port(0, r.PXSACT)) | second.read(second.port(0, r.PXCI))).toBe(0);
    }
  });
});
