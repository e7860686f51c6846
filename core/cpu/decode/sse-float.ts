// prettier-ignore
/** SDM Vol. 2D, tables: SSE to SSE4.2 floating point, SSSE3 and SSE4 integer instructions that need helpers, AES, PCLMULQDQ, CRC32. */
import { op, type OpRow, type RowAttributes } from './op-row';

const NP: RowAttributes = { unit: 'sse', p: 'none' };
const P66: RowAttributes = { unit: 'sse', p: 0x66 };
const PF3: RowAttributes = { unit: 'sse', p: 0xf3 };
const PF2: RowAttributes = { unit: 'sse', p: 0xf2 };
const MMX: RowAttributes = { unit: 'mmx', p: 'none' };

/** PS, PD, SS and SD of one opcode. */
function four(opcode: number, name: string): OpRow[] {
  return [
    op(opcode, `${name}PS`, ['Vps', 'Wps'], NP),
    op(opcode, `${name}PD`, ['Vpd', 'Wpd'], P66),
    op(opcode, `${name}SS`, ['Vss', 'Wss'], PF3),
    op(opcode, `${name}SD`, ['Vsd', 'Wsd'], PF2),
  ];
}

function both(opcode: number, mnemonic: string): OpRow[] {
  return [op(opcode, mnemonic, ['Pq', 'Qq'], MMX), op(opcode, mnemonic, ['Vdq', 'Wdq'], P66)];
}

const ARITH: readonly (readonly [number, string])[] = [
  [0x51, 'SQRT'],
  [0x58, 'ADD'],
  [0x59, 'MUL'],
  [0x5c, 'SUB'],
  [0x5d, 'MIN'],
  [0x5e, 'DIV'],
  [0x5f, 'MAX'],
];

export const SSE_FLOAT_TWO_BYTE: readonly OpRow[] = [
  op(0x2a, 'CVTPI2PS', ['Vq', 'Qq'], NP),
  op(0x2a, 'CVTPI2PD', ['Vpd', 'Qq'], P66),
  op(0x2a, 'CVTSI2SS', ['Vss', 'Ey'], PF3),
  op(0x2a, 'CVTSI2SD', ['Vsd', 'Ey'], PF2),
  op(0x2c, 'CVTTPS2PI', ['Pq', 'Wq'], NP),
  op(0x2c, 'CVTTPD2PI', ['Pq', 'Wpd'], P66),
  op(0x2c, 'CVTTSS2SI', ['Gy', 'Wss'], PF3),
  op(0x2c, 'CVTTSD2SI', ['Gy', 'Wsd'], PF2),
  op(0x2d, 'CVTPS2PI', ['Pq', 'Wq'], NP),
  op(0x2d, 'CVTPD2PI', ['Pq', 'Wpd'], P66),
  op(0x2d, 'CVTSS2SI', ['Gy', 'Wss'], PF3),
  op(0x2d, 'CVTSD2SI', ['Gy', 'Wsd'], PF2),
  op(0x2e, 'UCOMISS', ['Vss', 'Wss'], NP),
  op(0x2e, 'UCOMISD', ['Vsd', 'Wsd'], P66),
  op(0x2f, 'COMISS', ['Vss', 'Wss'], NP),
  op(0x2f, 'COMISD', ['Vsd', 'Wsd'], P66),
  ...ARITH.flatMap(([opcode, name]) => four(opcode, name)),
  op(0x52, 'RSQRTPS', ['Vps', 'Wps'], NP),
  op(0x52, 'RSQRTSS', ['Vss', 'Wss'], PF3),
  op(0x53, 'RCPPS', ['Vps', 'Wps'], NP),
  op(0x53, 'RCPSS', ['Vss', 'Wss'], PF3),
  op(0x5a, 'CVTPS2PD', ['Vpd', 'Wq'], NP),
  op(0x5a, 'CVTPD2PS', ['Vps', 'Wpd'], P66),
  op(0x5a, 'CVTSS2SD', ['Vsd', 'Wss'], PF3),
  op(0x5a, 'CVTSD2SS', ['Vss', 'Wsd'], PF2),
  op(0x5b, 'CVTDQ2PS', ['Vps', 'Wdq'], NP),
  op(0x5b, 'CVTPS2DQ', ['Vdq', 'Wps'], P66),
  op(0x5b, 'CVTTPS2DQ', ['Vdq', 'Wps'], PF3),
  op(0x7c, 'HADDPD', ['Vpd', 'Wpd'], P66),
  op(0x7c, 'HADDPS', ['Vps', 'Wps'], PF2),
  op(0x7d, 'HSUBPD', ['Vpd', 'Wpd'], P66),
  op(0x7d, 'HSUBPS', ['Vps', 'Wps'], PF2),
  op(0xc2, 'CMPPS', ['Vps', 'Wps', 'Ib'], NP),
  op(0xc2, 'CMPPD', ['Vpd', 'Wpd', 'Ib'], P66),
  op(0xc2, 'CMPSS', ['Vss', 'Wss', 'Ib'], PF3),
  op(0xc2, 'CMPSDX', ['Vsd', 'Wsd', 'Ib'], PF2),
  op(0xd0, 'ADDSUBPD', ['Vpd', 'Wpd'], P66),
  op(0xd0, 'ADDSUBPS', ['Vps', 'Wps'], PF2),
  op(0xe6, 'CVTTPD2DQ', ['Vdq', 'Wpd'], P66),
  op(0xe6, 'CVTDQ2PD', ['Vpd', 'Wq'], PF3),
  op(0xe6, 'CVTPD2DQ', ['Vdq', 'Wpd'], PF2),
];

export const SSE_FLOAT_THREE_BYTE_38: readonly OpRow[] = [
  ...both(0x04, 'PMADDUBSW'),
  ...both(0x08, 'PSIGNB'),
  ...both(0x09, 'PSIGNW'),
  ...both(0x0a, 'PSIGND'),
  ...both(0x0b, 'PMULHRSW'),
  op(0x41, 'PHMINPOSUW', ['Vdq', 'Wdq'], P66),
  op(0xdb, 'AESIMC', ['Vdq', 'Wdq'], P66),
  op(0xdc, 'AESENC', ['Vdq', 'Wdq'], P66),
  op(0xdd, 'AESENCLAST', ['Vdq', 'Wdq'], P66),
  op(0xde, 'AESDEC', ['Vdq', 'Wdq'], P66),
  op(0xdf, 'AESDECLAST', ['Vdq', 'Wdq'], P66),
  op(0xf0, 'CRC32', ['Gy', 'Eb'], { p: 0xf2 }),
  op(0xf1, 'CRC32', ['Gy', 'Ev'], { p: 0xf2 }),
];

export const SSE_FLOAT_THREE_BYTE_3A: readonly OpRow[] = [
  op(0x08, 'ROUNDPS', ['Vps', 'Wps', 'Ib'], P66),
  op(0x09, 'ROUNDPD', ['Vpd', 'Wpd', 'Ib'], P66),
  op(0x0a, 'ROUNDSS', ['Vss', 'Wss', 'Ib'], P66),
  op(0x0b, 'ROUNDSD', ['Vsd', 'Wsd', 'Ib'], P66),
  op(0x17, 'PEXTRDQ', ['Ed', 'Vdq', 'Ib'], P66), // EXTRACTPS
  op(0x21, 'INSERTPS', ['Vps', 'Wd', 'Ib'], P66),
  op(0x40, 'DPPS', ['Vps', 'Wps', 'Ib'], P66),
  op(0x41, 'DPPD', ['Vpd', 'Wpd', 'Ib'], P66),
  op(0x42, 'MPSADBW', ['Vdq', 'Wdq', 'Ib'], P66),
  op(0x44, 'PCLMULQDQ', ['Vdq', 'Wdq', 'Ib'], P66),
  op(0x60, 'PCMPESTRM', ['Vdq', 'Wdq', 'Ib'], P66),
  op(0x61, 'PCMPESTRI', ['Vdq', 'Wdq', 'Ib'], P66),
  op(0x62, 'PCMPISTRM', ['Vdq', 'Wdq', 'Ib'], P66),
  op(0x63, 'PCMPISTRI', ['Vdq', 'Wdq', 'Ib'], P66),
  op(0xdf, 'AESKEYGENASSIST', ['Vdq', 'Wdq', 'Ib'], P66),
];
