/**
 * Our PC BIOS: the ROM image, and the services behind its trap port.
 * Scope and what is missing: see each service's file and ../README.md.
 */
import type { PortIo } from '../../hw';
import { cloneState } from '../../base';
import { memoryMap } from '../memory-map';
import * as bda from './bda';
import { Boot, type BootState } from './boot';
import { ServiceCall } from './call';
import { Drives, type Emulation } from './disk/drives';
import { Int13 } from './disk/int13';
import { Keyboard } from './input/keyboard';
import { PointingDevice } from './input/mouse';
import { BiosMemory } from './memory';
import type { BiosBoard, BiosConfig } from './platform-api';
import { INT1A_PXE, NetworkBoot, type NetworkBootState } from './network';
import * as post from './post';
import { buildRom, type SystemRom } from './rom';
import {
  CALL_USER,
  DONE,
  KEY_SYSTEM,
  SERVICE_KEY,
  SERVICE_MOUSE,
  SERVICE_POST,
  SERVICE_PXE,
  SERVICE_PXENV,
  SERVICE_RTC,
  SERVICE_TICK,
  SPIN,
  WAIT,
} from './rom-code';
import { TimeOfDay } from './system/clock';
import { Cmos, cmosImage, SHUTDOWN_STATUS } from './system/cmos';
import { Int15, type Int15State } from './system/int15';
import { CLASS_VGA, pciBios, PciConfig } from './system/pci';
import { printer, SerialServices } from './system/serial';
import { Int10 } from './video/int10';
import { Screen } from './video/screen';
import { Vbe } from './video/vbe';
import { VgaHardware } from './video/vga';

const CR0_PE = 1n;
const EFLAGS_VM = 1 << 17;
const ROM_SEGMENT_BASE = 0xf0000n;
const RTC_ALARM = 0x20;
const RTC_PERIODIC = 0x40;
const WARM_BOOT_MAGIC = 0x1234;
const VGA_REGISTER_BAR = 2;
const EDID_BYTES = 128;
const EDID_HEADER = [0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];

export interface BiosState {
  version: 1;
  boot: BootState;
  /** Absent in states of versions without network boot. */
  network?: NetworkBootState | null;
  emulation: Emulation | null;
  waits: Int15State;
  serialDeadlineNs: number;
}

/** The BIOS of one machine. The board maps `rom` and puts the object on port `TRAP_PORT`. */
export class Bios implements PortIo {
  readonly id = 'bios';
  readonly rom: SystemRom;
  private readonly pci: PciConfig;
  private readonly cmos: Cmos;
  private readonly call: ServiceCall;
  private readonly screen: Screen;
  private readonly int10: Int10;
  private readonly drives: Drives;
  private readonly int13: Int13;
  private readonly int15: Int15;
  private readonly keyboard: Keyboard;
  private readonly mouse: PointingDevice;
  private readonly time: TimeOfDay;
  private readonly serial: SerialServices;
  private readonly network: NetworkBoot;
  private readonly boot: Boot;

  constructor(
    private readonly board: BiosBoard,
    private readonly config: BiosConfig,
  ) {
    const { memory, bus, registers, fonts, disks, clock } = board;
    this.rom = buildRom(
      config,
      memory.ramBytes,
      fonts,
      disks.some((disk) => disk.kind === 'floppy'),
    );
    this.pci = new PciConfig(bus);
    this.cmos = new Cmos(bus);
    const biosMemory = new BiosMemory(memory, bus, registers);
    this.call = new ServiceCall(registers, biosMemory);
    this.screen = new Screen(new VgaHardware(bus, fonts), memory);
    this.int10 = new Int10(this.screen, memory, this.rom.video);
    this.int10.vbe = new Vbe(this.screen, {
      linearFramebuffer: () => this.vgaBar(0),
      edid: () => this.edid(),
      setStandardMode: (mode, noClear) => this.int10.setMode(mode, noClear),
      setGraphicsFont: (height) => this.int10.setGraphicsFont(height),
      oemString: this.rom.oemString,
    });
    this.drives = new Drives(disks);
    this.int13 = new Int13(this.drives, memory, this.rom.code.disketteTable);
    this.keyboard = new Keyboard(memory, clock);
    this.mouse = new PointingDevice(memory, bus, (code) => void this.keyboard.scanCode(code));
    this.int15 = new Int15(
      memory,
      bus,
      clock,
      this.cmos,
      this.mouse,
      memoryMap(memory.ramBytes),
      this.rom.code.configurationTable,
    );
    this.time = new TimeOfDay(memory, bus, this.cmos);
    this.serial = new SerialServices(memory, bus, clock);
    this.network = new NetworkBoot({
      memory,
      biosMemory,
      clock,
      cards: board.networks ?? [],
      pci: this.pci,
      code: this.rom.code,
      uuid: config.uuid,
      idle: (ns) => board.idle?.(ns),
      key: () => this.keyboard.take(),
      setConventionalEnd: (gpa) => (this.int15.conventionalEnd = gpa),
    });
    this.boot = new Boot(
      memory,
      this.drives,
      this.screen,
      this.keyboard,
      this.network,
      config.bootOrder,
    );
  }

  /**
   * Brings machine and memory to the state after POST, with an empty screen in mode 3. Called by the ROM after reset,
   * and by the board before a direct boot.
   */
  post(): void {
    const { memory, bus, disks } = this.board;
    post.shadowRom(this.pci, memory, this.rom);
    post.initializeLegacy(bus);
    post.initializeDataAreas(memory, this.rom);
    post.initializePci(this.pci, memory.ramBytes);
    post.writeAcpiTables(memory, this.rom);
    post.initializeKeyboard(bus);
    this.keyboard.initialize();

    const floppies = disks.filter((disk) => disk.kind === 'floppy').length;
    const hardDisks = disks.filter((disk) => disk.kind === 'hdd').length;
    for (const [index, value] of cmosImage({
      ramBytes: memory.ramBytes,
      floppies,
      hardDisks,
      bootOrder: this.config.bootOrder,
    })) {
      this.cmos.write(index, value);
    }
    this.time.initialize();
    this.cmos.enableNmi();
    const serialCount = this.serial.initialize(this.config.serialPorts);
    // Coprocessor, pointing device, 80x25 colour, diskettes, serial ports.
    const equipment =
      0x0026 | (floppies > 0 ? 1 | ((Math.min(floppies, 4) - 1) << 6) : 0) | (serialCount << 9);
    memory.writeU16(bda.EQUIPMENT, equipment);
    memory.writeU8(bda.DISK_COUNT, hardDisks);
    this.writeDiskTables();

    this.drives.emulation = null;
    this.network.close();
    this.boot.state = { next: 0, waiting: false };
    this.int15.state = { waitUntilNs: 0, eventAtNs: 0, eventAddress: 0 };
    this.int10.setMode(3, false);
    post.protectShadow(this.pci);
  }

  /** INT 41h and 46h tables, and the EDD device parameter table extensions. */
  private writeDiskTables(): void {
    const { memory, disks } = this.board;
    disks
      .filter((disk) => disk.kind === 'hdd')
      .slice(0, 2)
      .forEach((_disk, i) => {
        const drive = this.drives.find(0x80 + i);
        if (!drive) return;
        const at = bda.FIXED_DISK_TABLES + i * 16;
        memory.writeU16(at, drive.geometry.cylinders);
        memory.writeU8(at + 2, drive.geometry.heads);
        memory.writeU16(at + 5, 0xffff);
        memory.writeU8(at + 8, drive.geometry.heads > 8 ? 0x08 : 0);
        memory.writeU16(at + 12, drive.geometry.cylinders);
        memory.writeU8(at + 14, drive.geometry.sectors);
        const vector = i === 0 ? 0x41 : 0x46;
        memory.writeU16(vector * 4, at & 0xf);
        memory.writeU16(vector * 4 + 2, at >> 4);
      });
    for (const disk of disks) {
      if (disk.channel === undefined) continue;
      const { channel, unit = 0 } = disk;
      const at = bda.DPTE + (channel * 2 + unit) * 16;
      const bytes = new Uint8Array(16);
      const base = channel === 0 ? 0x1f0 : 0x170;
      const control = channel === 0 ? 0x3f6 : 0x376;
      bytes.set([
        base & 0xff,
        base >> 8,
        control & 0xff,
        control >> 8,
        0xe0 | (unit << 4),
        0xcb,
        channel === 0 ? 14 : 15,
        0x01,
        0,
        0,
      ]);
      // LBA translation; for CD drives removable and packet interface.
      bytes[10] = disk.kind === 'cdrom' ? 0x70 : 0x10;
      bytes[14] = 0x11;
      bytes[15] = -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
      memory.write(at, bytes);
    }
  }

  /** GPA of a memory BAR of the display adapter; 0 when there is none. */
  private vgaBar(index: number): number {
    const vga = this.pci.scan().find((device) => device.classCode >> 8 === CLASS_VGA);
    return vga ? this.pci.memoryBar(vga, index) : 0;
  }

  /** The register BAR of QEMU's standard VGA begins with the EDID. */
  private edid(): Uint8Array | undefined {
    const bar = this.vgaBar(VGA_REGISTER_BAR);
    const block = Uint8Array.from({ length: EDID_BYTES }, (_, i) =>
      bar === 0 ? 0xff : this.board.bus.readMmio(bar + i, 1),
    );
    return EDID_HEADER.every((byte, i) => block[i] === byte) ? block : undefined;
  }

  /** The first lines of the boot screen. */
  private banner(): void {
    const { memory, disks } = this.board;
    this.screen.print(`Domus BIOS ${this.config.biosVersion}\n`, 0x0f);
    this.screen.print(
      `${Math.floor(memory.ramBytes / (1024 * 1024))} MiB memory, ${this.config.vcpus} ${this.config.vcpus === 1 ? 'processor' : 'processors'}\n`,
    );
    for (const disk of disks) {
      const size = disk.backend
        ? `${Math.ceil(disk.backend.sizeBytes / (1024 * 1024))} MiB`
        : 'empty';
      const kind = disk.kind === 'hdd' ? 'hard disk' : disk.kind === 'cdrom' ? 'CD-ROM' : 'floppy';
      this.screen.print(`${disk.name}: ${kind}, ${size}\n`);
    }
    this.screen.print('\n');
  }

  /** After a reset: POST, or the return to real mode that CMOS shutdown status 05h, 09h and 0Ah asks for (AT BIOS). */
  private afterReset(): void {
    const { memory, bus } = this.board;
    const shutdown = this.cmos.read(SHUTDOWN_STATUS);
    this.cmos.write(SHUTDOWN_STATUS, 0);
    if (shutdown === 0x05 || shutdown === 0x0a) {
      if (shutdown === 0x05) bus.writePort(0x20, 1, 0x20);
      this.call.setReturn(
        memory.readU16(bda.RESET_VECTOR + 2),
        memory.readU16(bda.RESET_VECTOR),
        0x0002,
      );
      return;
    }
    const warm = memory.readU16(bda.WARM_BOOT) === WARM_BOOT_MAGIC;
    this.post();
    if (warm) memory.writeU16(bda.WARM_BOOT, WARM_BOOT_MAGIC);
    this.banner();
  }

  readPort(): number {
    return 0xff;
  }

  /** The trap. Ignored unless it comes from our ROM's code in real or virtual-8086 mode. */
  writePort(): void {
    const { registers, log } = this.board;
    const protectedMode = (registers.cr0 & CR0_PE) !== 0n && (registers.rflags & EFLAGS_VM) === 0;
    const { base } = registers.getSegment('cs');
    if (
      protectedMode ||
      (base !== ROM_SEGMENT_BASE && base !== 0xffff0000n) ||
      !this.rom.code.traps.has(Number(registers.rip & 0xffffn))
    ) {
      log.log('guest', 'write to the BIOS trap port from outside of the BIOS');
      return;
    }
    const { service, action } = this.call.begin();
    this.call.action = this.dispatch(service, action === WAIT || action === SPIN);
  }

  /** Runs a service; returns what the ROM shall do next. */
  private dispatch(service: number, retry: boolean): number {
    const { call } = this;
    if (service !== 0x16 && service !== SERVICE_TICK && service !== SERVICE_RTC)
      this.keyboard.notIdle();
    switch (service) {
      case 0x10:
        this.int10.handle(call);
        return DONE;
      case 0x11:
        call.ax = this.board.memory.readU16(bda.EQUIPMENT);
        return DONE;
      case 0x12:
        call.ax = this.board.memory.readU16(bda.MEMORY_KIB);
        return DONE;
      case 0x13:
      case 0x40:
        this.int13.handle(call);
        return DONE;
      case 0x14:
        return this.serial.handle(call, retry);
      case 0x15:
        return this.int15.handle(call, retry);
      case 0x16:
        return this.keyboard.handle(call, retry);
      case 0x17:
        printer(call);
        return DONE;
      case 0x18:
      case 0x19:
        return this.boot.handle(call, service === 0x19, retry);
      case 0x1a:
        if (call.ah === 0xb1) pciBios(call, this.pci, () => this.rom.pir);
        else if (call.ax === INT1A_PXE && this.network.find(call)) return DONE;
        else this.time.handle(call);
        return DONE;
      case SERVICE_PXE:
      case SERVICE_PXENV:
        return this.network.handle(call, service, retry) ?? this.noPxe();
      case SERVICE_TICK:
        this.time.tick();
        return DONE;
      case SERVICE_KEY: {
        const code = call.al;
        const next = this.keyboard.scanCode(code);
        if (next === KEY_SYSTEM) call.ax = code < 0x80 ? 0x8500 : 0x8501;
        return next;
      }
      case SERVICE_RTC: {
        const flags = this.time.acknowledge();
        if ((flags & RTC_PERIODIC) !== 0) this.int15.onPeriodic();
        return (flags & RTC_ALARM) !== 0 ? CALL_USER : DONE;
      }
      case SERVICE_MOUSE:
        return this.mouse.interrupt() ? CALL_USER : DONE;
      case SERVICE_POST:
        this.afterReset();
        return DONE;
      default:
        return DONE;
    }
  }

  /** The PXE API after its end: PXENV_EXIT_FAILURE. */
  private noPxe(): number {
    this.call.ax = 1;
    return DONE;
  }

  save(): BiosState {
    return cloneState({
      version: 1,
      boot: this.boot.state,
      network: this.network.save(),
      emulation: this.drives.emulation,
      waits: this.int15.state,
      serialDeadlineNs: this.serial.deadlineNs,
    });
  }

  restore(state: BiosState): void {
    const copy = cloneState(state);
    this.boot.state = copy.boot;
    this.network.restore(copy.network ?? null);
    this.drives.emulation = copy.emulation;
    this.int15.state = copy.waits;
    this.serial.deadlineNs = copy.serialDeadlineNs;
  }

  /** The BIOS has no reset line of its own: POST runs when the processor fetches the reset vector. */
  reset(): void {}
}
