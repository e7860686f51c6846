import { describe, expect, it } from 'vitest';
import { fwCfgTableFiles } from './fw-cfg-files';

const acpi = { vcpus: 1, ramBytes: 256 << 20, serialPorts: [1], floppy: false, hpet: true };
const smbios = {
  ramBytes: 256 << 20,
  vcpus: 1,
  uuid: '0',
  biosVersion: '1',
  cpuVendor: 'v',
  cpuBrand: 'b',
  cpuSignature: 1,
  cpuFeatures: 1,
};
const files = fwCfgTableFiles(acpi, smbios);

/** Runs the loader's script as a firmware would, with each file at an address of its own. */
function load(): { memory: Uint8Array; addresses: Map<string, number> } {
  const script = files.get('etc/table-loader')!;
  const memory = new Uint8Array(1 << 20);
  const view = new DataView(memory.buffer);
  const addresses = new Map<string, number>();
  let next = 0x10000;
  const name = (at: number): string => {
    let text = '';
    for (let i = at; script[i] !== 0 && i < at + 56; i++) text += String.fromCharCode(script[i]);
    return text;
  };
  const read = new DataView(script.buffer);
  expect(script.length % 128).toBe(0);
  for (let at = 0; at < script.length; at += 128) {
    const command = read.getUint32(at, true);
    const file = name(at + 4);
    if (command === 1) {
      const align = read.getUint32(at + 60, true);
      next = Math.ceil(next / align) * align;
      addresses.set(file, next);
      memory.set(files.get(file)!, next);
      next += files.get(file)!.length;
    } else if (command === 2) {
      const field = addresses.get(file)! + read.getUint32(at + 116, true);
      const base = addresses.get(name(at + 60))!;
      if (script[at + 120] === 8)
        view.setBigUint64(field, view.getBigUint64(field, true) + BigInt(base), true);
      else view.setUint32(field, view.getUint32(field, true) + base, true);
    } else {
      expect(command).toBe(3);
      const base = addresses.get(file)!;
      const start = base + read.getUint32(at + 64, true);
      const sum = memory
        .subarray(start, start + read.getUint32(at + 68, true))
        .reduce((a, b) => a + b, 0);
      const field = base + read.getUint32(at + 60, true);
      memory[field] = memory[field] - sum;
    }
  }
  return { memory, addresses };
}

describe('table loader files', () => {
  it('load to tables that are linked and checksummed', () => {
    const { memory, addresses } = load();
    const view = new DataView(memory.buffer);
    const text = (at: number): string => String.fromCharCode(...memory.subarray(at, at + 4));
    const sum = (at: number, length: number): number =>
      memory.subarray(at, at + length).reduce((a, b) => a + b, 0) & 0xff;
    const rsdp = addresses.get('etc/acpi/rsdp')!;
    expect([sum(rsdp, 20), sum(rsdp, 36)]).toEqual([0, 0]);
    const rsdt = view.getUint32(rsdp + 16, true);
    const xsdt = Number(view.getBigUint64(rsdp + 24, true));
    const found: string[] = [];
    for (let i = 0; i < 3; i++) {
      const table = view.getUint32(rsdt + 36 + i * 4, true);
      expect(Number(view.getBigUint64(xsdt + 36 + i * 8, true))).toBe(table);
      expect(sum(table, view.getUint32(table + 4, true))).toBe(0);
      found.push(text(table));
    }
    expect(found).toEqual(['FACP', 'APIC', 'HPET']);
    const fadt = view.getUint32(rsdt + 36, true);
    expect(text(view.getUint32(fadt + 36, true))).toBe('FACS');
    expect(view.getUint32(fadt + 36, true) % 64).toBe(0);
    expect(text(view.getUint32(fadt + 40, true))).toBe('DSDT');
    expect(view.getBigUint64(fadt + 140, true)).toBe(BigInt(view.getUint32(fadt + 40, true)));
    expect([
      sum(rsdt, view.getUint32(rsdt + 4, true)),
      sum(xsdt, view.getUint32(xsdt + 4, true)),
    ]).toEqual([0, 0]);
  });
});
