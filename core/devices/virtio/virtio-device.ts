/** What a virtio device type (block, network) and its transport (PCI) know of each other. */
import type { GuestMemory } from '../../hw';
import type { VirtQueue } from './virtqueue';

/** What the transport offers a device. */
export interface VirtioTransport {
  readonly memory: GuestMemory;
  /** A feature bit was negotiated. */
  has(feature: number): boolean;
  queue(index: number): VirtQueue;
  /** Interrupts the driver for chains given back on this queue, if it wants to know. */
  signal(index: number): void;
  /** The configuration space changed. */
  configChanged(): void;
  /** The driver does what it must not: the device stops until it is reset (2.1.2). */
  fail(): void;
  /** The driver is up and the device may use its queues. */
  readonly running: boolean;
}

/** One device type. `config` is its configuration space, little-endian, live. */
export interface VirtioDevice {
  readonly deviceType: number;
  /** 24-bit PCI class code. */
  readonly pciClass: number;
  /** Feature bits offered, without the reserved ones. */
  readonly features: readonly number[];
  /** Largest size of each queue, powers of two. */
  readonly queueSizes: readonly number[];
  readonly config: Uint8Array;
  attach(transport: VirtioTransport): void;
  /** The driver wrote `length` bytes of the configuration space at `offset`: the device takes what it allows. */
  writeConfig?(offset: number, length: number, value: number): void;
  /** DRIVER_OK was set: queues are ready. */
  start(): void;
  /** The driver made something available on a queue. */
  notify(queue: number): void;
  /** Forgets what is under way. */
  reset(): void;
  save(): object;
  /** After the transport's own state was restored. */
  restore(state: object): void;
}
