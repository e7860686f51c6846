/** Addresses and record layouts shared with native/harness.c. */
export const CODE = 0x20000000;
export const CODE_AT = CODE + 0x800;
export const DATA = 0x10000000;
export const DATA_BYTES = 0x10000;
export const TAKEN = 0x40;
/** Room for a case's instructions. */
export const CODE_BYTES = 48;
export const WINDOW_BYTES = 256;
export const WINDOW_OFFSET = 0x1000;
export const WINDOW = DATA + WINDOW_OFFSET;
export const FX_BYTES = 512;

export interface Case {
  code: Uint8Array;
  mode32: boolean;
  gpr: BigUint64Array;
  flags: number;
  memory: Uint8Array;
  fx: Uint8Array;
}

export interface Outcome {
  gpr: BigUint64Array;
  flags: number;
  /** Exception vector, or -1. */
  trap: number;
  error: number;
  cr2: bigint;
  taken: boolean;
  memory: Uint8Array;
  fx: Uint8Array;
}
