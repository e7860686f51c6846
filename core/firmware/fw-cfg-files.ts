/**
 * ACPI and SMBIOS tables for a ROM firmware (SeaBIOS, OVMF), as files of the fw_cfg device.
 * The tables are in a blob that the guest's firmware places itself; `etc/table-loader` tells it how.
 * Interface: QEMU docs/specs/fw_cfg.rst; table loader commands as SeaBIOS (romfile_loader) interprets them.
 */
import { buildAcpiTables, type AcpiConfig } from './acpi';
import { ByteBuilder, checksum } from './bytes';
import { buildSmbios, type SmbiosConfig } from './smbios';

const TABLES_FILE = 'etc/acpi/tables';
const RSDP_FILE = 'etc/acpi/rsdp';
const LOADER_FILE = 'etc/table-loader';
const SMBIOS_ANCHOR_FILE = 'etc/smbios/smbios-anchor';
const SMBIOS_TABLES_FILE = 'etc/smbios/smbios-tables';

const COMMAND_BYTES = 128;
const FILE_NAME_BYTES = 56;
const ALLOCATE = 1;
const ADD_POINTER = 2;
const ADD_CHECKSUM = 3;
const ZONE_HIGH = 1;
const ZONE_FSEG = 2;
const ALIGNMENT = 64;
const HEADER_CHECKSUM = 9;

/** The loader's script: fixed-size commands. */
class LoaderScript {
  private readonly bytes = new ByteBuilder();

  private command(number: number, write: (b: ByteBuilder) => void): void {
    const start = this.bytes.length;
    this.bytes.u32(number);
    write(this.bytes);
    this.bytes.zeros(COMMAND_BYTES - (this.bytes.length - start));
  }

  allocate(file: string, alignment: number, zone: number): void {
    this.command(ALLOCATE, (b) => b.text(file, FILE_NAME_BYTES, 0).u32(alignment).u8(zone));
  }

  /** The `size` bytes at `offset` of `file` hold an offset into `target`; its address is added. */
  pointer(file: string, target: string, offset: number, size: number): void {
    this.command(ADD_POINTER, (b) =>
      b.text(file, FILE_NAME_BYTES, 0).text(target, FILE_NAME_BYTES, 0).u32(offset).u8(size),
    );
  }

  checksum(file: string, at: number, start: number, length: number): void {
    this.command(ADD_CHECKSUM, (b) =>
      b.text(file, FILE_NAME_BYTES, 0).u32(at).u32(start).u32(length),
    );
  }

  build(): Uint8Array<ArrayBuffer> {
    return this.bytes.build();
  }
}

/** Files by name, to be merged into the fw_cfg device's. */
export function fwCfgTableFiles(
  acpi: AcpiConfig,
  smbios: SmbiosConfig,
): ReadonlyMap<string, Uint8Array> {
  // Built at address 0, so that every pointer already is an offset into the blob. The FACS goes behind the rest.
  const room = 0x1_0000;
  const built = buildAcpiTables(acpi, 0, room);
  const script = new LoaderScript();
  const facs = built.tables.find(({ signature }) => signature === 'FACS')!;
  const others = built.tables.filter((table) => table !== facs);
  const end = others.reduce((max, { gpa, bytes }) => Math.max(max, gpa + bytes.length), 0);
  const facsAt = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
  const blob = new Uint8Array(facsAt + facs.bytes.length);
  const view = new DataView(blob.buffer);
  for (const { gpa, bytes } of others) blob.set(bytes, gpa);
  blob.set(facs.bytes, facsAt);
  const placed = new Map(others.map(({ signature, gpa }) => [signature, gpa]));

  script.allocate(RSDP_FILE, 16, ZONE_FSEG);
  script.allocate(TABLES_FILE, ALIGNMENT, ZONE_HIGH);
  for (const { table, offset, size, target } of built.pointers) {
    const at = placed.get(table)! + offset;
    if (target === 'FACS') view.setUint32(at, facsAt, true);
    script.pointer(TABLES_FILE, TABLES_FILE, at, size);
  }
  for (const table of new Set(built.pointers.map((pointer) => pointer.table))) {
    const at = placed.get(table)!;
    blob[at + HEADER_CHECKSUM] = 0;
    script.checksum(TABLES_FILE, at + HEADER_CHECKSUM, at, view.getUint32(at + 4, true));
  }

  const rsdp = built.rsdp.slice();
  rsdp[8] = 0;
  rsdp[32] = 0;
  script.pointer(RSDP_FILE, TABLES_FILE, 16, 4);
  script.pointer(RSDP_FILE, TABLES_FILE, 24, 8);
  script.checksum(RSDP_FILE, 8, 0, 20);
  script.checksum(RSDP_FILE, 32, 0, 36);

  // SeaBIOS fills in the table's address and both checksums of the anchor itself.
  const { entryPoint, structures } = buildSmbios(smbios, 0);
  entryPoint[0x15] = 0;
  entryPoint[0x15] = checksum(entryPoint, 0x10, 0x1f);
  return new Map<string, Uint8Array>([
    [LOADER_FILE, script.build()],
    [TABLES_FILE, blob],
    [RSDP_FILE, rsdp],
    [SMBIOS_ANCHOR_FILE, entryPoint],
    [SMBIOS_TABLES_FILE, structures],
  ]);
}
