import {
  FW_CFG_BOOT_MENU,
  FW_CFG_MAX_CPUS,
  FW_CFG_NB_CPUS,
  FW_CFG_NOGRAPHIC,
  FW_CFG_RAM_SIZE,
  FW_CFG_UUID,
  fwCfgInteger,
  type FwCfgConfig,
} from '../devices';

/** A drive as SeaBIOS names it in its boot order. */
export interface BootDrive {
  readonly cdrom: boolean;
  /** OpenFirmware path below the PCI host bridge. */
  readonly path: string;
}

export interface FirmwareConfigOptions {
  ramBytes: number;
  vcpus: number;
  /** 16 bytes. */
  uuid: Uint8Array;
  /** xl.cfg `boot=` letters. */
  bootOrder: string;
  drives: readonly BootDrive[];
  /** VGA BIOS image for a ROM firmware, which has none of its own. */
  vgaRom?: Uint8Array | undefined;
  bootMenu: boolean;
  /** ACPI and SMBIOS tables with their loader script. */
  tables: ReadonlyMap<string, Uint8Array>;
}

/** What a ROM firmware (SeaBIOS) reads from fw_cfg: sizes, boot order, memory map, VGA BIOS. */
export function firmwareConfig(options: FirmwareConfigOptions): FwCfgConfig {
  const items = new Map<number, Uint8Array>([
    [FW_CFG_UUID, options.uuid],
    [FW_CFG_RAM_SIZE, fwCfgInteger(options.ramBytes, 8)],
    [FW_CFG_NOGRAPHIC, fwCfgInteger(0, 2)],
    [FW_CFG_NB_CPUS, fwCfgInteger(options.vcpus, 2)],
    [FW_CFG_MAX_CPUS, fwCfgInteger(options.vcpus, 2)],
    [FW_CFG_BOOT_MENU, fwCfgInteger(options.bootMenu ? 1 : 0, 2)],
  ]);
  const files = new Map<string, Uint8Array>(options.tables);
  files.set('bootorder', bootOrderFile(options.bootOrder, options.drives));
  files.set('etc/e820', e820File(options.ramBytes));
  if (options.vgaRom) files.set('vgaroms/vgabios.bin', options.vgaRom);
  return { items, files };
}

/** OpenFirmware-style paths, best first, one a line, NUL at the end (SeaBIOS boot.c). */
function bootOrderFile(order: string, drives: readonly BootDrive[]): Uint8Array {
  let text = '';
  for (const letter of order) {
    if (letter !== 'c' && letter !== 'd') continue;
    for (const drive of drives) {
      if (drive.cdrom === (letter === 'd')) text += `/pci@i0cf8/${drive.path}\n`;
    }
  }
  return Uint8Array.from(`${text}\0`, (c) => c.charCodeAt(0));
}

/** struct { le64 address, length; le32 type }: RAM from 0, as QEMU reports it. */
function e820File(ramBytes: number): Uint8Array {
  const entry = new Uint8Array(20);
  entry.set(fwCfgInteger(ramBytes, 8), 8);
  entry[16] = 1;
  return entry;
}
