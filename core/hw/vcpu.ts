import type { ResetKind } from './device';

/** A virtual processor as boards, firmware and the toolstack see it; implemented by core/cpu (wasm) and later on /dev/kvm. */
export interface Vcpu {
  readonly index: number;
  reset(kind: ResetKind): void;
  /**
   * Runs guest code until something needs the caller:
   * 'halted' HLT with interrupts enabled or not, 'budget' the instruction budget is used up or `kick` was called,
   * 'shutdown' triple fault (SDM 3A 6.15 #DF).
   */
  run(maxInstructions: number): VcpuExit;
  /** Makes `run` return soon; callable from devices inside `run`. */
  kick(): void;
  /** Retired instructions since power-on. */
  readonly instructions: number;
  /** What it did since it was made, for statistics; undefined where nobody counts (KVM). A new object each time. */
  readonly counters?: VcpuCounters;
  nonMaskableInterrupt(): void;
  registers: RegisterAccess;
  save(): object;
  restore(state: object): void;
}

/** Events since the vcpu was made; resets of the guest do not clear them. */
export interface VcpuCounters {
  /** Retired instructions, and how many of them the interpreter ran; the others ran translated. */
  readonly instructions: number;
  readonly interpreted: number;
  /** Translated regions entered, and left for the interpreter to run an instruction. */
  readonly regionRuns: number;
  readonly regionStuck: number;
  readonly tlbMisses: number;
  /** Blocks looked up in the hash table because the jump cache did not know them. */
  readonly blockLookups: number;
  /** Decoded blocks dropped because their bytes were written. */
  readonly blocksInvalidated: number;
  /** Exceptions raised. */
  readonly faults: number;
  readonly regionsMade: number;
  readonly regionsDropped: number;
  /** Guest instructions in regions made. */
  readonly translatedInstructions: number;
  readonly wasmBytes: number;
  /** Time that the vCPU's thread spends on translations: choosing what belongs together, and taking in what other threads translated and compiled. */
  readonly translateNs: number;
  /** Time in device models, estimated from a sample of the calls. */
  readonly deviceNs: number;
  /** External interrupts taken. */
  readonly interrupts: number;
  readonly halts: number;
  readonly portReads: number;
  readonly portWrites: number;
  readonly mmioReads: number;
  readonly mmioWrites: number;
  /** RDMSR and WRMSR of registers that the helpers do not keep. */
  readonly msrAccesses: number;
  readonly cpuids: number;
  readonly tscReads: number;
}

export type VcpuExit = 'halted' | 'budget' | 'shutdown';

export type SegmentName = 'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs' | 'ldtr' | 'tr';

/** A segment register with its hidden part; `access` as in SDM 3A figure 5-1 bits 8-15 and 20-23 of the high word, shifted right by 8 (VMX layout: type 0-3, S 4, DPL 5-6, P 7, AVL 12, L 13, D/B 14, G 15). */
export interface SegmentState {
  selector: number;
  base: bigint;
  limit: number;
  access: number;
}

export const GPR_NAMES = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
] as const;
export type GprName = (typeof GPR_NAMES)[number];

/** Architectural registers. Valid only while the vcpu is outside `run`, or inside a port/MMIO callback of that vcpu (`rip` then points at the I/O instruction). */
export interface RegisterAccess {
  /** Low 32 bits, unsigned. */
  get32(name: GprName): number;
  /** Writes the low 32 bits and zeroes the high half. */
  set32(name: GprName, value: number): void;
  /** Replaces bits 0-15 only. */
  set16(name: GprName, value: number): void;
  /** Replaces bits 0-7 only. */
  set8(name: GprName, value: number): void;
  get64(name: GprName): bigint;
  set64(name: GprName, value: bigint): void;
  rip: bigint;
  /** EFLAGS/RFLAGS, materialised. */
  rflags: number;
  cr0: bigint;
  cr2: bigint;
  cr3: bigint;
  cr4: bigint;
  efer: bigint;
  getSegment(name: SegmentName): SegmentState;
  /** Loads a segment register with its hidden part, no checks: for boot protocols and restore only. */
  setSegment(name: SegmentName, state: SegmentState): void;
  gdtr: { base: bigint; limit: number };
  idtr: { base: bigint; limit: number };
}
