import { NULL_LOGGER, type Logger } from '../base';
import { RAM_BASE, WasmVcpu } from '../cpu';
import {
  Bios,
  cmosImage,
  fwCfgTableFiles,
  memoryMap,
  planLinuxBoot,
  startLinux,
  TRAP_PORT,
  uuidBytes,
  type BiosConfig,
  type LinuxBootPlan,
  type UnpackedKernel,
} from '../firmware';
import type { WasmHost, WasmMemory } from '../host';
import { parseMac } from '../net';
import { vgaFonts } from '../devices';
import type {
  BlockBackend,
  CharBackend,
  DisplayAdapter,
  DisplayBackend,
  KeyboardSink,
  PointerSink,
  Vcpu,
} from '../hw';
import { MachineAddressSpace } from './address-space';
import { MachineClock, type HostTime } from './clock';
import { FirmwareCable, FirmwareCard } from './firmware-cable';
import { firmwareConfig } from './firmware-config';
import { biosDisk, planDisks, type MachineDisk } from './machine-disks';
import { Pc } from './pc';
import { MAX_NICS, SLOT_NICS, type PcNic } from './pc-cards';
import { RunLoop, type SliceResult } from './run-loop';

const MIB = 1 << 20;
const WASM_PAGE = 0x10000;
/** VRAM, ROMs and option ROMs behind guest RAM. */
const DEVICE_MEMORY_BYTES = 32 * MIB;
/** Guest time-stamp counter: one tick a nanosecond. */
export const TSC_HZ = 1_000_000_000;
/** Largest guest: RAM ends where the PCI window begins. */
export const MAX_MEMORY_MIB = 3072;
export const MIN_MEMORY_MIB = 16;

/** What tables say about the processor: CPUID leaves 0, 1 and 80000002h of core/cpu/cpuid.ts. */
const PROCESSOR_IDENTITY = {
  cpuVendor: 'GenuineIntel',
  cpuBrand: 'Domus Virtual CPU @ 1.00GHz',
  cpuSignature: 0x000106ca,
  cpuFeatures: 0x078bfbbd,
};

/** A PC as plain data and back ends. */
export interface MachineConfig {
  readonly uuid: string;
  readonly memoryMiB: number;
  readonly vcpus: number;
  /** xl.cfg letters: a floppy, c disk, d CD-ROM, n network. */
  readonly bootOrder: string;
  readonly disks: readonly MachineDisk[];
  /** Network cards, at most eight. */
  readonly nics?: readonly PcNic[];
  /** Direct boot of a Linux kernel. */
  readonly kernel?:
    | {
        readonly image: Uint8Array;
        readonly ramdisk?: Uint8Array | undefined;
        readonly commandLine: string;
        /** The kernel that the image has, for the first start, where it is used up; without it the guest unpacks it. */
        readonly unpacked?: () => UnpackedKernel | undefined;
      }
    | undefined;
  /** A ROM that runs instead of the built-in BIOS, and the VGA BIOS it needs. Not used for direct boot. */
  readonly firmware?: Uint8Array | undefined;
  readonly vgaRom?: Uint8Array | undefined;
  readonly serial?: CharBackend | undefined;
  /** Output of port E9h. */
  readonly debug?: CharBackend | undefined;
  /** Where the display adapter draws; undefined for a machine nobody looks at. */
  readonly display?: DisplayBackend | undefined;
  readonly biosVersion?: string;
  /** Runs of a block before it is translated; 0 interprets everything. See VcpuConfig. */
  readonly translateAfter?: number | undefined;
  /** Translations are made for a compiler that does not optimize. See VcpuConfig. */
  readonly unoptimized?: boolean;
}

/** What a machine needs of its host. */
export interface MachineHost {
  readonly wasm: WasmHost;
  readonly time: HostTime;
  /** 64 random bits. */
  random(): bigint;
  readonly log?: Logger;
}

export interface MachineState {
  version: 1;
  clock: { version: 1; nowNs: number };
  devices: Record<string, object>;
  bios: object | null;
  vcpus: object[];
}

/** A screen that nobody looks at. */
const NO_DISPLAY: DisplayBackend = {
  resize: (width, height) => new Uint8Array(width * height * 4),
  dirty: () => undefined,
  text: () => undefined,
};

/** One virtual machine: board, processor, firmware, run loop. Lives in the thread that calls `slice`. */
export class Machine {
  readonly memory: WasmMemory;
  readonly space: MachineAddressSpace;
  readonly clock: MachineClock;
  readonly pc: Pc;
  readonly vcpu: Vcpu;
  readonly display: DisplayAdapter;
  readonly keyboard: KeyboardSink;
  readonly pointer: PointerSink;
  private readonly bios: Bios | undefined;
  private readonly loop: RunLoop;
  private readonly plan: LinuxBootPlan | undefined;
  private readonly log: Logger;
  /** Media that were changed. */
  private readonly media = new Map<string, BlockBackend | undefined>();

  /** @throws DirectBootError when the kernel cannot be booted, RangeError when the host has not the memory. */
  constructor(
    private readonly host: MachineHost,
    config: MachineConfig,
  ) {
    this.log = host.log ?? NULL_LOGGER;
    const ramBytes = config.memoryMiB * MIB;
    // QUIRK: one processor, whatever the configuration says, until the engine runs several.
    const vcpus = 1;
    const memoryBytes = RAM_BASE + ramBytes + DEVICE_MEMORY_BYTES;
    this.memory = host.wasm.createMemory(memoryBytes / WASM_PAGE);
    this.space = new MachineAddressSpace(this.memory.buffer, ramBytes);
    this.clock = new MachineClock(host.time);
    const { clock, space } = this;

    const disks = planDisks(config.disks);
    const nics = (config.nics ?? []).slice(0, MAX_NICS);
    const cables = nics.map(({ backend }) => new FirmwareCable(backend));
    const bios = biosConfig(config, vcpus);
    const hardDisks = config.disks.filter((disk) => !disk.cdrom).length;
    // Board and processor know each other; the board is built first.
    const late: { vcpu?: WasmVcpu } = {};
    this.pc = new Pc(
      {
        clock,
        space,
        tsc: { read: () => BigInt(clock.now), hz: TSC_HZ },
        processor: {
          interrupt: () => late.vcpu?.kick(),
          nonMaskable: () => late.vcpu?.nonMaskableInterrupt(),
          init: () => late.vcpu?.reset('warm'),
          startUp: () => this.log.log('guest', 'start-up IPI to the boot processor'),
        },
        registers: () => late.vcpu?.registers,
        serial: config.serial,
        debug: config.debug,
        display: config.display ?? NO_DISPLAY,
        onReset: () => this.loop.requestStop('reset'),
        onPowerOff: () => this.loop.requestStop('poweroff'),
      },
      {
        fwCfg: firmwareConfig({
          ramBytes,
          vcpus,
          uuid: uuidBytes(config.uuid),
          bootOrder: config.bootOrder,
          drives: disks.boot,
          vgaRom: config.vgaRom,
          bootMenu: true,
          tables: fwCfgTableFiles({ ...bios, ramBytes, floppy: false }, { ...bios, ramBytes }),
        }),
        drives: disks.ide,
        sataDrives: disks.sata,
        virtioDisks: disks.virtio,
        nics: nics.map((nic, i) => ({ ...nic, backend: cables[i] })),
        cmos: cmosImage({ ramBytes, floppies: 0, hardDisks, bootOrder: config.bootOrder }),
      },
    );
    const vcpu = new WasmVcpu({
      index: 0,
      memory: this.memory,
      wasm: host.wasm,
      bus: space,
      interrupts: this.pc.localApic,
      readTsc: () => BigInt(clock.now),
      random: () => host.random(),
      vcpus,
      nowMs: () => host.time.monotonicMs(),
      ...(config.translateAfter !== undefined && { translateAfter: config.translateAfter }),
      unoptimized: config.unoptimized === true,
    });
    late.vcpu = vcpu;
    this.vcpu = vcpu;
    space.observe({
      mapChanged: (gpa, length) => vcpu.mapChanged(gpa, length),
      codeOverwritten: (gpa, length) => vcpu.invalidateCode(gpa, length),
    });
    this.loop = new RunLoop(clock, vcpu);
    this.display = this.pc.vga;
    this.keyboard = this.pc.keyboard;
    this.pointer = this.pc.pointer;

    if (config.firmware && !config.kernel) {
      this.pc.mapRom(config.firmware);
    } else {
      this.bios = new Bios(
        {
          memory: space,
          registers: vcpu.registers,
          bus: space,
          disks: config.disks.flatMap((disk) => biosDisk(disk, () => this.mediumOf(disk))),
          networks: cables.map((cable, i) => {
            const mac = parseMac(nics[i].mac) ?? new Uint8Array(6);
            return new FirmwareCard(cable, mac, SLOT_NICS + i);
          }),
          idle: (ns) => this.loop.idle(ns),
          clock,
          fonts: vgaFonts(),
          log: this.log.child('bios'),
        },
        bios,
      );
      this.pc.mapRom(this.bios.rom.bytes);
      space.ports.map(TRAP_PORT, 1, this.bios, true);
    }
    if (config.kernel && this.bios) {
      const { image, ramdisk, commandLine } = config.kernel;
      this.plan = planLinuxBoot(
        { kernel: image, initrd: ramdisk, commandLine },
        { memoryMap: memoryMap(ramBytes), rsdpAddress: this.bios.rom.rsdpAddress },
      );
    }
    this.powerOn(config.kernel?.unpacked);
  }

  /** Lets virtual time run: before the first slice and after a pause. */
  start(): void {
    this.clock.start();
  }

  /** Stops virtual time; no slices until `start`. */
  pause(): void {
    this.clock.stop();
    this.flush();
  }

  /** Runs the guest for about a millisecond, or less when it halts or stops. */
  slice(): SliceResult {
    return this.loop.slice();
  }

  /** Ends a slice early from the outside: another thread has work for this one. */
  kick(): void {
    this.vcpu.kick();
  }

  /** The reset line: as after a `stopped` result with cause 'reset' or 'triple-fault', or the user's wish. RAM keeps its contents. */
  reset(): void {
    this.loop.clearStop();
    this.pc.reset('warm');
    this.vcpu.reset('warm');
    this.boot();
  }

  /** ACPI power button. False when the guest's ACPI does not listen for it. */
  powerButton(): boolean {
    return this.pc.powerManagement.pressPowerButton();
  }

  /** Hands out buffered serial and debug output now. */
  flush(): void {
    this.pc.serial?.flush();
    this.pc.debug.flush();
  }

  /** Everything but the contents of guest RAM and device memory, which lie in `memory`. Only while paused. */
  save(): MachineState {
    return {
      version: 1,
      clock: this.clock.save(),
      devices: this.pc.save(),
      bios: this.bios?.save() ?? null,
      vcpus: [this.vcpu.save()],
    };
  }

  restore(state: MachineState): void {
    this.loop.clearStop();
    this.clock.restore(state.clock);
    this.pc.restore(state.devices);
    if (this.bios && state.bios) this.bios.restore(state.bios as ReturnType<Bios['save']>);
    this.vcpu.restore(state.vcpus[0]);
  }

  /** Puts a medium in a CD-ROM drive, whatever lies in it, or takes it out. False when there is no such drive. */
  changeMedium(vdev: string, medium: BlockBackend | undefined): boolean {
    const drive = this.pc.cdroms.get(vdev);
    if (!drive) return false;
    this.media.set(vdev, medium);
    drive.changeMedium(medium);
    return true;
  }

  hasCdrom(vdev: string): boolean {
    return this.pc.cdroms.has(vdev);
  }

  /** The eject button of a CD-ROM drive. False when the guest holds the medium: it is told of the wish. */
  pressEject(vdev: string): boolean {
    return this.pc.cdroms.get(vdev)?.pressEject() ?? false;
  }

  private mediumOf({ vdev, backend }: MachineDisk): BlockBackend | undefined {
    return this.media.has(vdev) ? this.media.get(vdev) : backend;
  }

  private powerOn(kernel?: () => UnpackedKernel | undefined): void {
    this.pc.reset('power-on');
    this.vcpu.reset('power-on');
    this.boot(kernel);
  }

  /** With a kernel the firmware's work is done here and the processor starts at the entry of the kernel or its decompressor. */
  private boot(kernel?: () => UnpackedKernel | undefined): void {
    if (!this.plan || !this.bios) return;
    this.bios.post();
    const unpacked = kernel && { kernel, random: () => this.host.random() };
    startLinux(this.plan, this.space, this.vcpu.registers, unpacked);
  }
}

function biosConfig(config: MachineConfig, vcpus: number): BiosConfig {
  return {
    vcpus,
    uuid: config.uuid,
    biosVersion: config.biosVersion ?? '0.1',
    bootOrder: config.bootOrder,
    serialPorts: config.serial ? [1] : [],
    hpet: true,
    ...PROCESSOR_IDENTITY,
  };
}
