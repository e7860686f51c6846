/**
 * Virtio over PCI, transitional: modern capabilities and the legacy I/O window.
 * Document: VIRTIO 1.2, section 4.1 (4.1.4.8 for the legacy interface).
 * Scope: INTx and MSI-X, all required capabilities. Missing: queue reset, notification data, shared memory.
 *
 * BAR 0 is the legacy window, BAR 1 the MSI-X table, BAR 4 the modern registers, a page each:
 * 0000h common configuration, 1000h ISR, 2000h device configuration, 3000h notifications.
 */
import type { AccessWidth, ApicBus, Device, GuestMemory, Mmio, PortIo, ResetKind } from '../../hw';
import {
  addCapability,
  Msix,
  MSIX_WINDOW_BYTES,
  PCI_CAP_ID_VENDOR,
  pciConfig,
  UNCONNECTED_IRQ,
  type MsixState,
  type PciBar,
  type PciFunction,
} from '../pci';
import type { VirtioDevice, VirtioTransport } from './virtio-device';
import {
  VIRTIO_F_RING_EVENT_IDX,
  VIRTIO_F_RING_INDIRECT_DESC,
  VIRTIO_F_VERSION_1,
  VIRTIO_ISR_CONFIG,
  VIRTIO_ISR_QUEUE,
  VIRTIO_MSI_NO_VECTOR,
  VIRTIO_STATUS_DEVICE_NEEDS_RESET,
  VIRTIO_STATUS_DRIVER_OK,
  VIRTIO_STATUS_FEATURES_OK,
} from './virtio-regs';
import { VirtQueue, type VirtQueueState } from './virtqueue';

const VIRTIO_VENDOR = 0x1af4;
/** Transitional device IDs (4.1.2.1) by device type. */
const TRANSITIONAL_IDS: Readonly<Record<number, number>> = { 1: 0x1000, 2: 0x1001 };

// Vendor capabilities, 4.1.4: type, where in configuration space, where in BAR 4.
const VIRTIO_PCI_CAP_COMMON_CFG = 1;
const VIRTIO_PCI_CAP_NOTIFY_CFG = 2;
const VIRTIO_PCI_CAP_ISR_CFG = 3;
const VIRTIO_PCI_CAP_DEVICE_CFG = 4;
const VIRTIO_PCI_CAP_PCI_CFG = 5;
const CAP_COMMON = 0x40;
const CAP_ISR = 0x50;
const CAP_DEVICE = 0x60;
const CAP_NOTIFY = 0x70;
const CAP_PCI_CFG = 0x84;
const CAP_MSIX = 0x98;
const PCI_CFG_BAR = CAP_PCI_CFG + 4;
const PCI_CFG_OFFSET = CAP_PCI_CFG + 8;
const PCI_CFG_LENGTH = CAP_PCI_CFG + 12;
const PCI_CFG_DATA = CAP_PCI_CFG + 16;

const MODERN_BAR = 4;
const MODERN_BYTES = 0x4000;
const PAGE = 0x1000;
const PAGE_COMMON = 0;
const PAGE_ISR = 1;
const PAGE_DEVICE = 2;
const COMMON_BYTES = 0x38;
const NOTIFY_MULTIPLIER = 4;

// Common configuration structure, 4.1.4.3.
const DEVICE_FEATURE_SELECT = 0x00;
const DEVICE_FEATURE = 0x04;
const DRIVER_FEATURE_SELECT = 0x08;
const DRIVER_FEATURE = 0x0c;
const CONFIG_MSIX_VECTOR = 0x10;
const NUM_QUEUES = 0x12;
const DEVICE_STATUS = 0x14;
const CONFIG_GENERATION = 0x15;
const QUEUE_SELECT = 0x16;
const QUEUE_SIZE = 0x18;
const QUEUE_MSIX_VECTOR = 0x1a;
const QUEUE_ENABLE = 0x1c;
const QUEUE_NOTIFY_OFF = 0x1e;
const QUEUE_DESC = 0x20;
const QUEUE_DRIVER = 0x28;
const QUEUE_DEVICE = 0x30;

// Legacy interface, 4.1.4.8.
const LEGACY_BYTES = 0x80;
const LEGACY_DEVICE_FEATURES = 0x00;
const LEGACY_DRIVER_FEATURES = 0x04;
const LEGACY_QUEUE_ADDRESS = 0x08;
const LEGACY_QUEUE_SIZE = 0x0c;
const LEGACY_QUEUE_SELECT = 0x0e;
const LEGACY_QUEUE_NOTIFY = 0x10;
const LEGACY_STATUS = 0x12;
const LEGACY_ISR = 0x13;
/** Vectors when MSI-X is on, the device's configuration otherwise. */
const LEGACY_CONFIG_VECTOR = 0x14;
const LEGACY_QUEUE_VECTOR = 0x16;
const LEGACY_MSIX_BYTES = 4;

export interface VirtioPciState {
  version: 1;
  status: number;
  isr: number;
  deviceFeatureSelect: number;
  driverFeatureSelect: number;
  /** Bits 0-31 and 32-63 that the driver accepted. */
  driverFeatures: [number, number];
  configVector: number;
  configGeneration: number;
  queueSelect: number;
  queues: VirtQueueState[];
  msix: MsixState;
  device: object;
}

type Registers = Omit<VirtioPciState, 'version' | 'queues' | 'msix' | 'device'>;

export interface VirtioPciCapabilities {
  memory: GuestMemory;
  bus: ApicBus;
}

/** A virtio device in a PCI slot. */
export class VirtioPci implements Device<VirtioPciState>, PciFunction, VirtioTransport {
  readonly config: Uint8Array;
  readonly writeMask: Uint8Array;
  readonly clearMask: Uint8Array;
  readonly bars: readonly PciBar[];
  irq = UNCONNECTED_IRQ;
  readonly memory: GuestMemory;
  private readonly msix: Msix;
  private readonly queues: readonly VirtQueue[];
  private readonly offered: readonly [number, number];
  private s: Registers = powerOn();

  /** `id` names the device in a saved state. */
  constructor(
    readonly id: string,
    wires: VirtioPciCapabilities,
    private readonly device: VirtioDevice,
  ) {
    this.memory = wires.memory;
    const space = pciConfig({
      vendor: VIRTIO_VENDOR,
      device: TRANSITIONAL_IDS[device.deviceType] ?? 0x1040 + device.deviceType,
      class: device.pciClass,
      subsystemVendor: VIRTIO_VENDOR,
      subsystem: device.deviceType,
      interruptPin: 1,
      status: 0,
    });
    this.config = space.config;
    this.writeMask = space.writeMask;
    this.clearMask = space.clearMask;
    this.offered = featureWords([
      ...device.features,
      VIRTIO_F_RING_INDIRECT_DESC,
      VIRTIO_F_RING_EVENT_IDX,
      VIRTIO_F_VERSION_1,
    ]);
    const eventIndex = (): boolean => this.has(VIRTIO_F_RING_EVENT_IDX);
    const indirect = (): boolean => this.has(VIRTIO_F_RING_INDIRECT_DESC);
    const queueWires = {
      memory: wires.memory,
      get eventIndex() {
        return eventIndex();
      },
      get indirect() {
        return indirect();
      },
      onBroken: () => this.fail(),
    };
    this.queues = device.queueSizes.map(
      (size) => new VirtQueue(queueWires, size, VIRTIO_MSI_NO_VECTOR),
    );
    this.addVendorCapabilities();
    this.msix = new Msix(this, wires.bus, {
      vectors: this.queues.length + 1,
      capability: CAP_MSIX,
      bar: 1,
    });
    this.bars = [
      { index: 0, kind: 'io', size: LEGACY_BYTES, handler: this.legacy },
      { index: 1, kind: 'mmio', size: MSIX_WINDOW_BYTES, handler: this.msix.window },
      { index: MODERN_BAR, kind: 'mmio', size: MODERN_BYTES, handler: this.modern },
    ];
    device.attach(this);
  }

  reset(_kind: ResetKind): void {
    this.resetDevice();
    this.msix.reset();
  }

  save(): VirtioPciState {
    const { driverFeatures } = this.s;
    return {
      version: 1,
      ...this.s,
      driverFeatures: [...driverFeatures],
      queues: this.queues.map((queue) => queue.save()),
      msix: this.msix.save(),
      device: this.device.save(),
    };
  }

  restore(state: VirtioPciState): void {
    const { queues, msix, device, version: _version, ...registers } = state;
    this.device.reset();
    this.s = { ...registers, driverFeatures: [...registers.driverFeatures] };
    this.queues.forEach((queue, i) => queue.restore(queues[i]));
    this.msix.restore(msix);
    this.device.restore(device);
  }

  // --- VirtioTransport

  has(feature: number): boolean {
    return (this.s.driverFeatures[feature >> 5] & (1 << (feature & 31))) !== 0;
  }

  get running(): boolean {
    const wanted = VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_DEVICE_NEEDS_RESET;
    return (this.s.status & wanted) === VIRTIO_STATUS_DRIVER_OK;
  }

  queue(index: number): VirtQueue {
    return this.queues[index];
  }

  signal(index: number): void {
    const queue = this.queues[index];
    if (queue.takeInterrupt()) this.interrupt(VIRTIO_ISR_QUEUE, queue.s.vector);
  }

  configChanged(): void {
    this.s.configGeneration = (this.s.configGeneration + 1) & 0xff;
    if (this.s.status & VIRTIO_STATUS_DRIVER_OK)
      this.interrupt(VIRTIO_ISR_CONFIG, this.s.configVector);
  }

  fail(): void {
    if (this.s.status & VIRTIO_STATUS_DEVICE_NEEDS_RESET) return;
    this.s.status |= VIRTIO_STATUS_DEVICE_NEEDS_RESET;
    this.configChanged();
  }

  // --- PciFunction

  onConfigWrite(offset: number, length: number): void {
    this.msix.onConfigWrite(offset, length);
    if (offset >= PCI_CFG_DATA && offset + length <= PCI_CFG_DATA + 4) this.throughConfig(true);
  }

  onConfigRead(offset: number, length: number): void {
    if (offset >= PCI_CFG_DATA && offset + length <= PCI_CFG_DATA + 4) this.throughConfig(false);
  }

  private addVendorCapabilities(): void {
    const add = (at: number, type: number, page: number, bytes: number, extra?: number): void => {
      const body = new Uint8Array(extra === undefined ? 14 : 18);
      const view = new DataView(body.buffer);
      body[0] = body.length + 2;
      body[1] = type;
      body[2] = type === VIRTIO_PCI_CAP_PCI_CFG ? 0 : MODERN_BAR;
      view.setUint32(6, page * PAGE, true);
      view.setUint32(10, bytes, true);
      if (extra !== undefined) view.setUint32(14, extra, true);
      addCapability(this, at, PCI_CAP_ID_VENDOR, body);
    };
    add(CAP_PCI_CFG, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0);
    add(CAP_NOTIFY, VIRTIO_PCI_CAP_NOTIFY_CFG, 3, PAGE, NOTIFY_MULTIPLIER);
    add(CAP_DEVICE, VIRTIO_PCI_CAP_DEVICE_CFG, PAGE_DEVICE, PAGE);
    add(CAP_ISR, VIRTIO_PCI_CAP_ISR_CFG, PAGE_ISR, PAGE);
    add(CAP_COMMON, VIRTIO_PCI_CAP_COMMON_CFG, PAGE_COMMON, PAGE);
    this.writeMask[PCI_CFG_BAR] = 0xff;
    this.writeMask.fill(0xff, PCI_CFG_OFFSET, PCI_CFG_DATA + 4);
  }

  /** VIRTIO_PCI_CAP_PCI_CFG: registers reached through configuration space (4.1.4.9). */
  private throughConfig(write: boolean): void {
    const view = new DataView(this.config.buffer, this.config.byteOffset, 256);
    const width = view.getUint32(PCI_CFG_LENGTH, true);
    const offset = view.getUint32(PCI_CFG_OFFSET, true);
    if (this.config[PCI_CFG_BAR] !== MODERN_BAR || offset > MODERN_BYTES - 4) return;
    if (width !== 1 && width !== 2 && width !== 4) return;
    const data = view.getUint32(PCI_CFG_DATA, true);
    if (write)
      this.modern.writeMmio(offset, width, width === 4 ? data : data & (2 ** (8 * width) - 1));
    else view.setUint32(PCI_CFG_DATA, this.modern.readMmio(offset, width), true);
  }

  private interrupt(cause: number, vector: number): void {
    if (this.msix.enabled) {
      if (vector !== VIRTIO_MSI_NO_VECTOR) this.msix.signal(vector);
      return;
    }
    this.s.isr |= cause;
    this.irq.set(true);
  }

  private readIsr(): number {
    const { isr } = this.s;
    this.s.isr = 0;
    this.irq.set(false);
    return isr;
  }

  // --- Modern registers, BAR 4

  private readonly modern: Mmio = {
    readMmio: (offset, width) => {
      const at = offset & (PAGE - 1);
      switch (offset >> 12) {
        case PAGE_COMMON:
          return this.readCommon(at, width);
        case PAGE_ISR:
          return at === 0 ? this.readIsr() : 0;
        case PAGE_DEVICE:
          return this.readDevice(at, width);
        default:
          return 0;
      }
    },
    writeMmio: (offset, width, value) => {
      const at = offset & (PAGE - 1);
      switch (offset >> 12) {
        case PAGE_COMMON:
          return this.writeCommon(at, value >>> 0);
        case PAGE_ISR:
          return;
        case PAGE_DEVICE:
          return this.device.writeConfig?.(at, width, value);
        default:
          return this.notify(Math.floor(at / NOTIFY_MULTIPLIER));
      }
    },
  };

  private readDevice(offset: number, width: AccessWidth): number {
    let value = 0;
    for (let i = width - 1; i >= 0; i--)
      value = value * 256 + (this.device.config[offset + i] ?? 0);
    return value;
  }

  private readCommon(offset: number, width: AccessWidth): number {
    if (offset >= COMMON_BYTES) return 0;
    // Fields are read as they are wide (4.1.3.1); a narrower read gets its part.
    const field = FIELD_AT[offset];
    const value = this.commonField(field) >>> (8 * (offset - field));
    return width === 4 ? value >>> 0 : value & (width === 2 ? 0xffff : 0xff);
  }

  private commonField(field: number): number {
    const { s } = this;
    const queue = this.queues.at(s.queueSelect)?.s;
    switch (field) {
      case DEVICE_FEATURE_SELECT:
        return s.deviceFeatureSelect;
      case DEVICE_FEATURE:
        return this.offered[s.deviceFeatureSelect] ?? 0;
      case DRIVER_FEATURE_SELECT:
        return s.driverFeatureSelect;
      case DRIVER_FEATURE:
        return s.driverFeatures[s.driverFeatureSelect] ?? 0;
      case CONFIG_MSIX_VECTOR:
        return s.configVector;
      case NUM_QUEUES:
        return this.queues.length;
      case DEVICE_STATUS:
        return s.status;
      case CONFIG_GENERATION:
        return s.configGeneration;
      case QUEUE_SELECT:
        return s.queueSelect;
      case QUEUE_SIZE:
        return queue?.size ?? 0;
      case QUEUE_MSIX_VECTOR:
        return queue?.vector ?? VIRTIO_MSI_NO_VECTOR;
      case QUEUE_ENABLE:
        return queue?.ready ? 1 : 0;
      case QUEUE_NOTIFY_OFF:
        return s.queueSelect;
      case QUEUE_DESC:
      case QUEUE_DESC + 4:
        return queue?.desc[(field - QUEUE_DESC) >> 2] ?? 0;
      case QUEUE_DRIVER:
      case QUEUE_DRIVER + 4:
        return queue?.avail[(field - QUEUE_DRIVER) >> 2] ?? 0;
      case QUEUE_DEVICE:
      case QUEUE_DEVICE + 4:
        return queue?.used[(field - QUEUE_DEVICE) >> 2] ?? 0;
      default:
        return 0;
    }
  }

  private writeCommon(offset: number, value: number): void {
    const { s } = this;
    switch (offset) {
      case DEVICE_FEATURE_SELECT:
        s.deviceFeatureSelect = value;
        return;
      case DRIVER_FEATURE_SELECT:
        s.driverFeatureSelect = value;
        return;
      case DRIVER_FEATURE:
        return this.acceptFeatures(s.driverFeatureSelect, value);
      case CONFIG_MSIX_VECTOR:
        s.configVector = this.checkedVector(value);
        return;
      case DEVICE_STATUS:
        return this.writeStatus(value & 0xff);
      case QUEUE_SELECT:
        s.queueSelect = value & 0xffff;
        return;
      default:
        return this.writeQueue(offset, value);
    }
  }

  private writeQueue(offset: number, value: number): void {
    const queue = this.queues.at(this.s.queueSelect);
    if (!queue) return;
    switch (offset) {
      case QUEUE_SIZE:
        return queue.setSize(value & 0xffff);
      case QUEUE_MSIX_VECTOR:
        queue.s.vector = this.checkedVector(value);
        return;
      case QUEUE_ENABLE:
        // The driver must not write 0 (4.1.4.3.2); it cannot change addresses after that either.
        if (value & 1) queue.s.ready = true;
        return;
      case QUEUE_DESC:
      case QUEUE_DESC + 4:
        if (!queue.s.ready) queue.s.desc[(offset - QUEUE_DESC) >> 2] = value;
        return;
      case QUEUE_DRIVER:
      case QUEUE_DRIVER + 4:
        if (!queue.s.ready) queue.s.avail[(offset - QUEUE_DRIVER) >> 2] = value;
        return;
      case QUEUE_DEVICE:
      case QUEUE_DEVICE + 4:
        if (!queue.s.ready) queue.s.used[(offset - QUEUE_DEVICE) >> 2] = value;
        return;
    }
  }

  // --- Legacy registers, BAR 0

  private readonly legacy: PortIo = {
    readPort: (offset, width) => {
      const configAt = this.legacyConfigAt;
      if (offset >= configAt) return this.readDevice(offset - configAt, width);
      const value = this.readLegacy(offset);
      return width === 4 ? value >>> 0 : value & (width === 2 ? 0xffff : 0xff);
    },
    writePort: (offset, width, value) => {
      const configAt = this.legacyConfigAt;
      if (offset >= configAt) this.device.writeConfig?.(offset - configAt, width, value);
      else this.writeLegacy(offset, value >>> 0);
    },
  };

  private get legacyConfigAt(): number {
    return LEGACY_CONFIG_VECTOR + (this.msix.enabled ? LEGACY_MSIX_BYTES : 0);
  }

  private readLegacy(offset: number): number {
    const { s } = this;
    const queue = this.queues.at(s.queueSelect);
    switch (offset) {
      case LEGACY_DEVICE_FEATURES:
        return this.offered[0];
      case LEGACY_DRIVER_FEATURES:
        return s.driverFeatures[0];
      case LEGACY_QUEUE_ADDRESS:
        return queue?.legacyPage ?? 0;
      case LEGACY_QUEUE_SIZE:
        return queue?.maxSize ?? 0;
      case LEGACY_QUEUE_SELECT:
        return s.queueSelect;
      case LEGACY_STATUS:
        return s.status;
      case LEGACY_ISR:
        return this.readIsr();
      case LEGACY_CONFIG_VECTOR:
        return s.configVector;
      case LEGACY_QUEUE_VECTOR:
        return queue?.s.vector ?? VIRTIO_MSI_NO_VECTOR;
      default:
        return 0;
    }
  }

  private writeLegacy(offset: number, value: number): void {
    const { s } = this;
    const queue = this.queues.at(s.queueSelect);
    switch (offset) {
      case LEGACY_DRIVER_FEATURES:
        s.driverFeatures = [value & this.offered[0], 0];
        return;
      case LEGACY_QUEUE_ADDRESS:
        return queue?.setLegacyPage(value);
      case LEGACY_QUEUE_SELECT:
        s.queueSelect = value & 0xffff;
        return;
      case LEGACY_QUEUE_NOTIFY:
        return this.notify(value & 0xffff);
      case LEGACY_STATUS:
        return this.writeStatus(value & 0xff);
      case LEGACY_CONFIG_VECTOR:
        s.configVector = this.checkedVector(value);
        return;
      case LEGACY_QUEUE_VECTOR:
        if (queue) queue.s.vector = this.checkedVector(value);
        return;
    }
  }

  // --- Behaviour of both interfaces

  private checkedVector(value: number): number {
    const vector = value & 0xffff;
    return vector < this.msix.vectors ? vector : VIRTIO_MSI_NO_VECTOR;
  }

  private acceptFeatures(word: number, value: number): void {
    // Features are fixed once FEATURES_OK is set (2.2.2).
    if (word > 1 || this.s.status & VIRTIO_STATUS_FEATURES_OK) return;
    this.s.driverFeatures[word] = value;
  }

  private writeStatus(value: number): void {
    const { s } = this;
    if (value === 0) return this.resetDevice();
    const set = value & ~s.status;
    s.status = (value & 0xff) | (s.status & VIRTIO_STATUS_DEVICE_NEEDS_RESET);
    // A subset of what was offered, or the bit does not stick (2.2.2, 3.1.1 step 5).
    const [low, high] = s.driverFeatures;
    const unknown = (low & ~this.offered[0]) | (high & ~this.offered[1]);
    if (set & VIRTIO_STATUS_FEATURES_OK && unknown !== 0) s.status &= ~VIRTIO_STATUS_FEATURES_OK;
    if (!(set & VIRTIO_STATUS_DRIVER_OK)) return;
    if (unknown !== 0) return this.fail();
    this.device.start();
    // Kicks that came too early are not lost.
    for (let i = 0; i < this.queues.length && this.running; i++) this.device.notify(i);
  }

  private notify(index: number): void {
    if (index < this.queues.length && this.running) this.device.notify(index);
  }

  private resetDevice(): void {
    this.s = powerOn();
    for (const queue of this.queues) queue.reset(VIRTIO_MSI_NO_VECTOR);
    this.irq.set(false);
    this.device.reset();
  }
}

/** Offsets at which fields of the common configuration begin. */
const COMMON_FIELDS: readonly number[] = [
  DEVICE_FEATURE_SELECT,
  DEVICE_FEATURE,
  DRIVER_FEATURE_SELECT,
  DRIVER_FEATURE,
  CONFIG_MSIX_VECTOR,
  NUM_QUEUES,
  DEVICE_STATUS,
  CONFIG_GENERATION,
  QUEUE_SELECT,
  QUEUE_SIZE,
  QUEUE_MSIX_VECTOR,
  QUEUE_ENABLE,
  QUEUE_NOTIFY_OFF,
  QUEUE_DESC,
  QUEUE_DESC + 4,
  QUEUE_DRIVER,
  QUEUE_DRIVER + 4,
  QUEUE_DEVICE,
  QUEUE_DEVICE + 4,
];
/** For every offset in the structure, where its field begins. */
const FIELD_AT = new Uint8Array(COMMON_BYTES);
for (const field of COMMON_FIELDS) FIELD_AT.fill(field, field);

function featureWords(bits: readonly number[]): [number, number] {
  const words: [number, number] = [0, 0];
  for (const bit of bits) words[bit >> 5] = (words[bit >> 5] | (1 << (bit & 31))) >>> 0;
  return words;
}

function powerOn(): Registers {
  return {
    status: 0,
    isr: 0,
    deviceFeatureSelect: 0,
    driverFeatureSelect: 0,
    driverFeatures: [0, 0],
    configVector: VIRTIO_MSI_NO_VECTOR,
    configGeneration: 0,
    queueSelect: 0,
  };
}
