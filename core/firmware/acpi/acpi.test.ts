import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as aml from './aml';
import { buildAcpiTables } from './tables';

const CONFIG = { vcpus: 2, ramBytes: 0x2000_0000, serialPorts: [1], floppy: true, hpet: true };
const built = buildAcpiTables(CONFIG, 0x1ffe_0000, 0x1fff_f000);
const byName = (name: string) => built.tables.find((table) => table.signature === name)!;
const sum = (bytes: Uint8Array, end = bytes.length): number =>
  bytes.subarray(0, end).reduce((a, b) => a + b, 0) & 0xff;
const u32 = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer).getUint32(at, true);

describe('AML (ACPI 6.5 section 20)', () => {
  it('encodes integers in their shortest form', () => {
    expect([...aml.integer(0)]).toEqual([0]);
    expect([...aml.integer(1)]).toEqual([1]);
    expect([...aml.integer(0x7f)]).toEqual([0x0a, 0x7f]);
    expect([...aml.integer(0x1234)]).toEqual([0x0b, 0x34, 0x12]);
    expect([...aml.integer(0xffff_ffff)]).toEqual([0x0c, 0xff, 0xff, 0xff, 0xff]);
    expect([...aml.integer(1n << 32n)]).toEqual([0x0e, 0, 0, 0, 0, 1, 0, 0, 0]);
  });

  it('encodes PkgLength over one and two bytes (20.2.4)', () => {
    expect([...aml.scope('A', aml.string('x'))].slice(0, 2)).toEqual([0x10, 8]);
    const long = aml.buffer(new Uint8Array(100));
    // 2 length bytes + 2 for the size 100 as a byte constant + 100 = 104 = 0x68.
    expect([...long].slice(0, 3)).toEqual([0x11, 0x48, 0x06]);
  });

  it('compresses EISA ids (19.6.34)', () => {
    expect([...aml.eisaId('PNP0A03')]).toEqual([0x0c, 0x41, 0xd0, 0x0a, 0x03]);
  });

  it('pads name segments and prefixes paths by their length', () => {
    expect(String.fromCharCode(...aml.path('\\_SB'))).toBe('\\_SB_');
    expect([...aml.path('A.B')].slice(0, 1)).toEqual([0x2e]);
    expect([...aml.path('A.B.C')].slice(0, 2)).toEqual([0x2f, 3]);
  });
});

describe('ACPI tables', () => {
  it('have checksums of zero, lengths that fit, and do not overlap', () => {
    for (const { signature, bytes } of built.tables) {
      expect(u32(bytes, 4)).toBe(bytes.length);
      if (signature !== 'FACS') expect(sum(bytes)).toBe(0);
    }
    const sorted = [...built.tables].sort((a, b) => a.gpa - b.gpa);
    sorted
      .slice(1)
      .forEach((table, i) =>
        expect(table.gpa).toBeGreaterThanOrEqual(sorted[i].gpa + sorted[i].bytes.length),
      );
    expect(byName('FACS').gpa % 64).toBe(0);
  });

  it('are reached from the RSDP, whose two checksums hold (5.2.5.3)', () => {
    expect(sum(built.rsdp, 20)).toBe(0);
    expect(sum(built.rsdp)).toBe(0);
    expect(u32(built.rsdp, 16)).toBe(byName('RSDT').gpa);
    expect(u32(built.rsdp, 24)).toBe(byName('XSDT').gpa);
    expect([36, 40, 44].map((at) => u32(byName('RSDT').bytes, at))).toEqual(
      ['FACP', 'APIC', 'HPET'].map((name) => byName(name).gpa),
    );
  });

  it('name every pointer for a table loader', () => {
    for (const { table, offset, target } of built.pointers)
      expect(u32(byName(table).bytes, offset)).toBe(byName(target).gpa);
  });

  it('put the PIIX4 power management ports and the reset register into the FADT', () => {
    const fadt = byName('FACP').bytes;
    expect(fadt.length).toBe(244);
    expect([56, 64, 76].map((at) => u32(fadt, at))).toEqual([0x600, 0x604, 0x608]);
    expect(fadt[46] | (fadt[47] << 8)).toBe(9);
    expect([...fadt.subarray(116, 129)]).toEqual([1, 8, 0, 0, 0xf9, 0x0c, 0, 0, 0, 0, 0, 0, 6]);
    // X_FIRMWARE_CTRL is zero because FIRMWARE_CTRL is not (5.2.9).
    expect(u32(fadt, 132)).toBe(0);
  });

  it('route IRQ 0 to I/O APIC input 2 in the MADT', () => {
    const madt = byName('APIC').bytes;
    const entries: number[][] = [];
    for (let at = 44; at < madt.length; at += madt[at + 1])
      entries.push([...madt.subarray(at, at + madt[at + 1])]);
    expect(entries.filter((e) => e[0] === 0)).toHaveLength(2);
    expect(entries).toContainEqual([2, 10, 0, 0, 2, 0, 0, 0, 0, 0]);
    expect(entries).toContainEqual([2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0]);
    expect(entries.find((e) => e[0] === 1)![2]).toBe(2);
  });

  const iasl = spawnSync('iasl', ['-v']).error === undefined;
  it.skipIf(!iasl)('disassemble and compile again without errors (iasl of acpica-tools)', () => {
    const folder = mkdtempSync(join(tmpdir(), 'domus-acpi-'));
    try {
      for (const { signature, bytes } of built.tables) {
        const name = join(folder, signature.toLowerCase());
        writeFileSync(`${name}.aml`, bytes);
        execFileSync('iasl', ['-d', `${name}.aml`], { cwd: folder, stdio: 'pipe' });
        const output = execFileSync('iasl', ['-p', `${name}-again`, `${name}.dsl`], {
          cwd: folder,
          stdio: 'pipe',
        }).toString();
        expect(output).toContain(' 0 Errors');
      }
      const dsdt = readFileSync(join(folder, 'dsdt.dsl'), 'latin1');
      for (const text of [
        'Device (PCI0)',
        'EisaId ("PNP0A03")',
        'Device (LNKD)',
        'Device (COM1)',
        'Name (\\_S5',
        'Processor (C001',
      ]) {
        expect(dsdt).toContain(text);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
