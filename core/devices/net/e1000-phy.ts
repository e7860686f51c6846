/**
 * The gigabit PHY inside an 82540EM (88E1011-compatible), seen through MDIC.
 * Documents: IEEE 802.3 clause 22.2.4 and 40.5; Intel 317453-005, section 13.5. Autonegotiation ends at once.
 * Missing: loopback, cable tests, register pages.
 */

const PHY_CONTROL = 0;
const PHY_STATUS = 1;
const PHY_ID1 = 2;
const PHY_ID2 = 3;
const PHY_ADVERTISEMENT = 4;
const PHY_LINK_PARTNER = 5;
const PHY_EXPANSION = 6;
const PHY_NEXT_PAGE = 7;
const PHY_1000T_CONTROL = 9;
const PHY_1000T_STATUS = 10;
const PHY_EXTENDED_STATUS = 15;
const PHY_SPECIFIC_CONTROL = 16;
const PHY_SPECIFIC_STATUS = 17;
const PHY_EXTENDED_SPECIFIC_CONTROL = 20;
const PHY_REGISTERS = 32;

const CONTROL_RESET = 0x8000;
const CONTROL_POWER_DOWN = 0x0800;
const CONTROL_RESTART_AUTONEGOTIATION = 0x0200;
/** Reset, restart of autonegotiation: read as 0. */
const CONTROL_SELF_CLEARING = CONTROL_RESET | CONTROL_RESTART_AUTONEGOTIATION;
const STATUS_LINK = 0x0004;
const STATUS_AUTONEGOTIATION_COMPLETE = 0x0020;
/** 10 and 100 Mb/s in both duplexes, extended status, preamble suppression, autonegotiation. */
const STATUS_ABILITIES = 0x7949;
/** 1000 Mb/s, full duplex, resolved, link. */
const SPECIFIC_STATUS_UP = 0xac00;
const SPECIFIC_STATUS_DOWN = 0x8000;

const DEFAULTS: readonly (readonly [register: number, value: number])[] = [
  [PHY_CONTROL, 0x1140],
  [PHY_ID1, 0x0141],
  [PHY_ID2, 0x0c20],
  [PHY_ADVERTISEMENT, 0x0de1],
  [PHY_EXPANSION, 0x0001],
  [PHY_NEXT_PAGE, 0x2001],
  [PHY_1000T_CONTROL, 0x0e00],
  [PHY_EXTENDED_STATUS, 0x3000],
  [PHY_SPECIFIC_CONTROL, 0x0360],
  [PHY_EXTENDED_SPECIFIC_CONTROL, 0x0d60],
];
const WRITABLE: ReadonlySet<number> = new Set([
  PHY_CONTROL,
  PHY_ADVERTISEMENT,
  PHY_NEXT_PAGE,
  PHY_1000T_CONTROL,
  PHY_SPECIFIC_CONTROL,
  18,
  PHY_EXTENDED_SPECIFIC_CONTROL,
  24,
  29,
  30,
]);

export class E1000Phy {
  registers = defaults();

  constructor(private readonly cable: () => boolean) {}

  reset(): void {
    this.registers = defaults();
  }

  /** Carrier, as long as the PHY is on. */
  get linkUp(): boolean {
    return this.cable() && (this.registers[PHY_CONTROL] & CONTROL_POWER_DOWN) === 0;
  }

  read(register: number): number {
    const up = this.linkUp;
    switch (register) {
      case PHY_STATUS:
        return STATUS_ABILITIES | (up ? STATUS_LINK | STATUS_AUTONEGOTIATION_COMPLETE : 0);
      case PHY_LINK_PARTNER:
        return up ? 0xcde1 : 0;
      case PHY_1000T_STATUS:
        return up ? 0x3c00 : 0;
      case PHY_SPECIFIC_STATUS:
        return up ? SPECIFIC_STATUS_UP : SPECIFIC_STATUS_DOWN;
      default:
        return this.registers[register];
    }
  }

  /** Returns whether the link was negotiated anew. */
  write(register: number, value: number): boolean {
    if (!WRITABLE.has(register)) return false;
    if (register !== PHY_CONTROL) {
      this.registers[register] = value;
      return false;
    }
    const was = this.linkUp;
    if (value & CONTROL_RESET) this.reset();
    else this.registers[PHY_CONTROL] = value & ~CONTROL_SELF_CLEARING;
    return this.linkUp !== was || (this.linkUp && (value & CONTROL_SELF_CLEARING) !== 0);
  }
}

function defaults(): Uint16Array {
  const registers = new Uint16Array(PHY_REGISTERS);
  for (const [register, value] of DEFAULTS) registers[register] = value;
  return registers;
}
