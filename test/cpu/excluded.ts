/** What the differential test leaves out, and why. */

/** Instructions whose outcome depends on more than the case: system state, time, chance, or the host's kernel. */
export const EXCLUDED: Readonly<Record<string, string>> = {
  IN: "ports are the host's",
  OUT: "ports are the host's",
  INS: "ports are the host's",
  OUTS: "ports are the host's",
  INT: "enters the host's kernel",
  INT3: 'the kernel turns it into a signal behind the instruction',
  INT1: 'as INT3',
  INTO: 'as INT3',
  IRET: 'needs a frame that returns to the harness',
  SYSCALL: "enters the host's kernel",
  SYSENTER: "enters the host's kernel",
  SYSRET: 'privileged',
  SYSEXIT: 'privileged',
  CALLFAR: 'leaves the harness',
  CALLFARM: 'leaves the harness',
  JMPFAR: 'leaves the harness',
  JMPFARM: 'leaves the harness',
  RETFAR: 'leaves the harness',
  RDTSC: 'time',
  RDTSCP: 'time',
  CPUID: "the host's identity",
  XGETBV: "the host's XCR0",
  RDPMC: 'the host may allow it',
  RDRAND: 'chance',
  RDSEED: 'chance',
  MOVFROMSEG: "selectors of the host's process",
  MOVTOSEG: 'descriptor tables of the host',
  POPSEG: 'descriptor tables of the host',
  PUSHSEG: "selectors of the host's process",
  LOADFAR: 'descriptor tables of the host',
  LAR: 'descriptor tables of the host',
  LSL: 'descriptor tables of the host',
  VERR: 'descriptor tables of the host',
  VERW: 'descriptor tables of the host',
  SGDT: 'UMIP of the host',
  SIDT: 'UMIP of the host',
  SLDT: 'UMIP of the host',
  STR: 'UMIP of the host',
  SMSW: 'UMIP of the host',
  RDFSBASE: 'thread-local storage of the harness',
  WRFSBASE: 'thread-local storage of the harness',
  RDGSBASE: 'per-thread base of the host',
  WRGSBASE: 'kept by the host across signals',
  XSAVE: "layout and components are the host's",
  XSAVEOPT: 'as XSAVE',
  XRSTOR: 'as XSAVE',
  XSAVEC: 'as XSAVE',
  ARPL: 'tested by helper tests',
  POPF: 'TF and AC would trap in the harness',
  CLFLUSH: 'no visible effect',
  SALC: 'not in the manual',
  PUSHF: "IF and the identification bits are the host's",
  INVD: 'privileged',
  WBINVD: 'privileged',
};

const CF = 1;
const PF = 4;
const AF = 0x10;
const ZF = 0x40;
const SF = 0x80;
const OF = 0x800;

/** Flags the manual leaves undefined (SDM Vol. 2, "Flags Affected" of each); for shifts and rotates see `undefinedFlags`. */
const UNDEFINED: Readonly<Record<string, number>> = {
  AND: AF,
  OR: AF,
  XOR: AF,
  TEST: AF, // "The state of the AF flag is undefined"
  MUL: SF | ZF | AF | PF,
  IMUL1: SF | ZF | AF | PF,
  IMUL: SF | ZF | AF | PF,
  DIV: CF | OF | SF | ZF | AF | PF,
  IDIV: CF | OF | SF | ZF | AF | PF,
  BT: OF | SF | AF | PF,
  BTS: OF | SF | AF | PF,
  BTR: OF | SF | AF | PF,
  BTC: OF | SF | AF | PF, // ZF is unaffected
  BSF: CF | OF | SF | AF | PF,
  BSR: CF | OF | SF | AF | PF,
  LZCNT: OF | SF | PF | AF,
  TZCNT: OF | SF | PF | AF,
  SHL: AF,
  SHR: AF,
  SAR: AF,
  SHLD: AF,
  SHRD: AF,
  AAA: OF | SF | ZF | PF,
  AAS: OF | SF | ZF | PF,
  AAM: OF | AF | CF,
  AAD: OF | AF | CF,
  DAA: OF,
  DAS: OF,
  ANDN: AF | PF,
  BEXTR: AF | SF | PF,
  BLSI: AF | PF,
  BLSMSK: AF | PF,
  BLSR: AF | PF,
  BZHI: AF | PF,
};

/** Flags not to be compared for an instruction with that shift or rotate count (undefined for it), or any other. */
export function undefinedFlags(mnemonic: string, bits: number, count: number | undefined): number {
  const base = UNDEFINED[mnemonic] ?? 0;
  if (count === undefined) return base;
  const masked = count & (bits === 64 ? 63 : 31);
  switch (mnemonic) {
    case 'SHL':
    case 'SHR':
      // OF is defined for 1-bit shifts; CF not when the count is not less than the operand (SDM 2B, SAL/SAR/SHL/SHR).
      return masked === 0 ? 0 : base | (masked > 1 ? OF : 0) | (masked >= bits ? CF : 0);
    case 'SAR':
      return masked === 0 ? 0 : base | (masked > 1 ? OF : 0);
    case 'ROL':
    case 'ROR':
    case 'RCL':
    case 'RCR':
      return masked === 1 ? 0 : OF;
    case 'SHLD':
    case 'SHRD':
      // A count above the operand size leaves flags (and result) undefined.
      return masked === 0
        ? 0
        : masked > bits
          ? CF | PF | AF | ZF | SF | OF
          : base | (masked > 1 ? OF : 0);
    default:
      return base;
  }
}

/** True when the whole result is undefined. */
export function undefinedResult(
  mnemonic: string,
  bits: number,
  count: number | undefined,
): boolean {
  return (
    (mnemonic === 'SHLD' || mnemonic === 'SHRD') &&
    count !== undefined &&
    (count & 31) > bits &&
    bits === 16
  );
}

/** Units whose processors differ from the manual's text in what we model; each with its reason. */
export const FORM_EXCLUSIONS: readonly {
  mnemonic: string;
  when: (bytes: number) => boolean;
  why: string;
}[] = [
  {
    mnemonic: 'BSWAP',
    when: (bytes) => bytes === 2,
    why: 'SDM 2A, BSWAP: a 16-bit operand is undefined',
  },
];
