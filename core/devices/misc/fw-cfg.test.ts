import { beforeEach, describe, expect, it } from 'vitest';
import { ArrayMemory } from '../../../test/support/array-memory';
import { deviceContract } from '../../../test/contract/device-contract';
import { FW_CFG_FILE_DIR, FW_CFG_RAM_SIZE, FwCfg, fwCfgInteger } from './fw-cfg';

const text = (bytes: number[]): string => String.fromCharCode(...bytes);

let memory: ArrayMemory;
let device: FwCfg;
beforeEach(() => {
  memory = new ArrayMemory(0x10000);
  device = new FwCfg(
    { memory },
    {
      items: new Map([[FW_CFG_RAM_SIZE, fwCfgInteger(0xc0000000, 8)]]),
      files: new Map([
        ['etc/b', Uint8Array.of(1, 2, 3)],
        ['bootorder', Uint8Array.of(9)],
      ]),
    },
  );
});
const read = (key: number, count: number): number[] => {
  device.writePort(0, 2, key);
  return Array.from({ length: count }, () => device.readPort(1, 1));
};
const dma = (control: number, length: number, target: number): number => {
  const view = new DataView(memory.bytes.buffer);
  view.setUint32(0x100, control);
  view.setUint32(0x104, length);
  view.setBigUint64(0x108, BigInt(target));
  device.dma.writePort(4, 4, 0x00010000);
  return view.getUint32(0x100);
};

describe('FwCfg', () => {
  it('shows its signature, features and items', () => {
    expect(text(read(0, 4))).toBe('QEMU');
    expect(read(1, 4)).toEqual([3, 0, 0, 0]);
    expect(read(FW_CFG_RAM_SIZE, 9)).toEqual([0, 0, 0, 0xc0, 0, 0, 0, 0, 0]);
    expect(read(0x7fff, 2)).toEqual([0, 0]);
  });

  it('lists files by name in the big-endian directory', () => {
    const directory = read(FW_CFG_FILE_DIR, 4 + 128);
    expect(directory.slice(0, 4)).toEqual([0, 0, 0, 2]);
    expect(directory.slice(4, 12)).toEqual([0, 0, 0, 1, 0, 0x20, 0, 0]);
    expect(text(directory.slice(12, 21))).toBe('bootorder');
    expect(directory.slice(68, 76)).toEqual([0, 0, 0, 3, 0, 0x21, 0, 0]);
    expect(read(0x21, 3)).toEqual([1, 2, 3]);
  });

  it('answers the DMA register with its signature and transfers by it', () => {
    expect([device.dma.readPort(0, 4), device.dma.readPort(4, 4)]).toEqual([
      0x554d4551, 0x47464320,
    ]);
    expect(dma((0x21 << 16) | 0x08 | 0x02, 2, 0x200)).toBe(0);
    expect([...memory.bytes.subarray(0x200, 0x203)]).toEqual([1, 2, 0]);
    expect(dma(0x04, 1, 0)).toBe(0);
    expect(dma(0x02, 2, 0x300)).toBe(0);
    expect([...memory.bytes.subarray(0x300, 0x302)]).toEqual([0, 0]);
    expect(dma(0x10, 2, 0x300)).toBe(1);
  });

  it('survives a DMA of 4 GiB to nowhere', () => {
    memory.bytes[0xffff] = 7;
    expect(dma((0x21 << 16) | 0x0a, 0xffffffff, 0xfff0)).toBe(0);
    expect([...memory.bytes.subarray(0xfff0, 0xfff3)]).toEqual([1, 2, 3]);
    expect(memory.bytes[0xffff]).toBe(0);
    expect(dma((0x21 << 16) | 0x0a, 0xffffffff, 2 ** 60)).toBe(0);
  });
});

deviceContract('FwCfg', () => {
  const io = new FwCfg({ memory: new ArrayMemory(0x1000) }, { items: new Map(), files: new Map() });
  return {
    device: io,
    ports: [
      { io, count: 2 },
      { io: io.dma, count: 8 },
    ],
  };
});
