export type AccessWidth = 1 | 2 | 4;

/** Registers reached by IN/OUT; `offset` is relative to where the board mapped the device. Total: never throws on guest input. Values are unsigned. */
export interface PortIo {
  readPort(offset: number, width: AccessWidth): number;
  writePort(offset: number, width: AccessWidth, value: number): void;
}

/** Registers reached by loads and stores; `offset` is relative to the mapping. The CPU splits 8-byte accesses into two of 4, low half first. */
export interface Mmio {
  readMmio(offset: number, width: AccessWidth): number;
  writeMmio(offset: number, width: AccessWidth, value: number): void;
}

/** A level on a wire to an interrupt controller. */
export interface IrqLine {
  set(level: boolean): void;
}

/** What the CPU calls for everything that is not RAM: implemented by the board. Addresses are guest-physical (GPA). */
export interface SystemBus {
  readPort(port: number, width: AccessWidth): number;
  writePort(port: number, width: AccessWidth, value: number): void;
  readMmio(gpa: number, width: AccessWidth): number;
  writeMmio(gpa: number, width: AccessWidth, value: number): void;
}

/** The CPU's side of the local APIC (or of the 8259 wired to LINT0). */
export interface InterruptSource {
  /** True when a vector would be accepted now (priority above TPR considered). */
  hasPending(): boolean;
  /** INTA: the vector to deliver, or -1 when it went away. */
  acknowledge(): number;
  /** CR8 / TPR[7:4], SDM 3A 11.8.6.1. */
  taskPriority: number;
  /** IA32_APIC_BASE, SDM 3A 11.4.4; low and high half. Returns false when the value is refused (#GP). */
  readApicBase(): bigint;
  writeApicBase(value: bigint): boolean;
  /** IA32_TSC_DEADLINE (6E0h) and x2APIC registers (800h-8FFh); undefined is #GP(0). */
  readMsr?(index: number): bigint | undefined;
  /** Returns false when the value is refused (#GP(0)). */
  writeMsr?(index: number, value: bigint): boolean;
}

/** Message-signalled or I/O APIC delivery to local APICs, SDM 3A 11.11. */
export interface ApicBus {
  deliver(message: {
    destination: number;
    logical: boolean;
    /** 0 fixed, 1 lowest priority, 2 SMI, 4 NMI, 5 INIT, 6 start-up, 7 ExtINT. */
    deliveryMode: number;
    vector: number;
    levelTriggered: boolean;
  }): void;
}
