// prettier-ignore
/** SDM Vol. 2D, tables: vector moves, integer instructions and logic of MMX and SSE to SSE4.2. */
import { op, type OpRow, type RowAttributes } from './op-row';

const NP: RowAttributes = { unit: 'sse', p: 'none' };
const P66: RowAttributes = { unit: 'sse', p: 0x66 };
const PF3: RowAttributes = { unit: 'sse', p: 0xf3 };
const PF2: RowAttributes = { unit: 'sse', p: 0xf2 };
const MMX: RowAttributes = { unit: 'mmx', p: 'none' };

/** An instruction of both register files: MMX without a prefix, XMM with 66. */
function both(opcode: number, mnemonic: string): OpRow[] {
  return [op(opcode, mnemonic, ['Pq', 'Qq'], MMX), op(opcode, mnemonic, ['Vdq', 'Wdq'], P66)];
}

/** Shifts by an immediate: groups 12 to 14. */
function shiftGroup(opcode: number, reg: number, mnemonic: string): OpRow[] {
  return [
    op(opcode, mnemonic, ['Nq', 'Ib'], { ...MMX, reg, mod: 'reg' }),
    op(opcode, mnemonic, ['Udq', 'Ib'], { ...P66, reg, mod: 'reg' }),
  ];
}

const BOTH_0F: readonly (readonly [number, string])[] = [
  [0x63, 'PACKSSWB'],
  [0x64, 'PCMPGTB'],
  [0x65, 'PCMPGTW'],
  [0x66, 'PCMPGTD'],
  [0x67, 'PACKUSWB'],
  [0x68, 'PUNPCKHBW'],
  [0x69, 'PUNPCKHWD'],
  [0x6a, 'PUNPCKHDQ'],
  [0x6b, 'PACKSSDW'],
  [0x74, 'PCMPEQB'],
  [0x75, 'PCMPEQW'],
  [0x76, 'PCMPEQD'],
  [0xd1, 'PSRLW'],
  [0xd2, 'PSRLD'],
  [0xd3, 'PSRLQ'],
  [0xd4, 'PADDQ'],
  [0xd5, 'PMULLW'],
  [0xd8, 'PSUBUSB'],
  [0xd9, 'PSUBUSW'],
  [0xda, 'PMINUB'],
  [0xdb, 'PAND'],
  [0xdc, 'PADDUSB'],
  [0xdd, 'PADDUSW'],
  [0xde, 'PMAXUB'],
  [0xdf, 'PANDN'],
  [0xe0, 'PAVGB'],
  [0xe1, 'PSRAW'],
  [0xe2, 'PSRAD'],
  [0xe3, 'PAVGW'],
  [0xe4, 'PMULHUW'],
  [0xe5, 'PMULHW'],
  [0xe8, 'PSUBSB'],
  [0xe9, 'PSUBSW'],
  [0xea, 'PMINSW'],
  [0xeb, 'POR'],
  [0xec, 'PADDSB'],
  [0xed, 'PADDSW'],
  [0xee, 'PMAXSW'],
  [0xef, 'PXOR'],
  [0xf1, 'PSLLW'],
  [0xf2, 'PSLLD'],
  [0xf3, 'PSLLQ'],
  [0xf4, 'PMULUDQ'],
  [0xf5, 'PMADDWD'],
  [0xf6, 'PSADBW'],
  [0xf8, 'PSUBB'],
  [0xf9, 'PSUBW'],
  [0xfa, 'PSUBD'],
  [0xfb, 'PSUBQ'],
  [0xfc, 'PADDB'],
  [0xfd, 'PADDW'],
  [0xfe, 'PADDD'],
];

const BOTH_38: readonly (readonly [number, string])[] = [
  [0x00, 'PSHUFB'],
  [0x01, 'PHADDW'],
  [0x02, 'PHADDD'],
  [0x03, 'PHADDSW'],
  [0x05, 'PHSUBW'],
  [0x06, 'PHSUBD'],
  [0x07, 'PHSUBSW'],
  [0x1c, 'PABSB'],
  [0x1d, 'PABSW'],
  [0x1e, 'PABSD'],
];

export const SIMD_TWO_BYTE: readonly OpRow[] = [
  op(0x10, 'MOVUPS', ['Vps', 'Wps'], NP),
  op(0x10, 'MOVUPS', ['Vpd', 'Wpd'], P66),
  op(0x10, 'MOVSS', ['Vss', 'Wss'], PF3),
  op(0x10, 'MOVSDX', ['Vsd', 'Wsd'], PF2),
  op(0x11, 'MOVUPS', ['Wps', 'Vps'], NP),
  op(0x11, 'MOVUPS', ['Wpd', 'Vpd'], P66),
  op(0x11, 'MOVSS', ['Wss', 'Vss'], PF3),
  op(0x11, 'MOVSDX', ['Wsd', 'Vsd'], PF2),
  op(0x12, 'MOVLPS', ['Vdq', 'Udq'], { ...NP, mod: 'reg' }), // MOVHLPS
  op(0x12, 'MOVLPS', ['Vdq', 'Mq'], { ...NP, mod: 'mem' }),
  op(0x12, 'MOVLPS', ['Vdq', 'Mq'], { ...P66, mod: 'mem' }),
  op(0x12, 'MOVSLDUP', ['Vps', 'Wps'], PF3),
  op(0x12, 'MOVDDUP', ['Vdq', 'Wq'], PF2),
  op(0x13, 'MOVLPS', ['Mq', 'Vdq'], { ...NP, mod: 'mem' }),
  op(0x13, 'MOVLPS', ['Mq', 'Vdq'], { ...P66, mod: 'mem' }),
  op(0x16, 'MOVHPS', ['Vdq', 'Udq'], { ...NP, mod: 'reg' }), // MOVLHPS
  op(0x16, 'MOVHPS', ['Vdq', 'Mq'], { ...NP, mod: 'mem' }),
  op(0x16, 'MOVHPS', ['Vdq', 'Mq'], { ...P66, mod: 'mem' }),
  op(0x16, 'MOVSHDUP', ['Vps', 'Wps'], PF3),
  op(0x17, 'MOVHPS', ['Mq', 'Vdq'], { ...NP, mod: 'mem' }),
  op(0x17, 'MOVHPS', ['Mq', 'Vdq'], { ...P66, mod: 'mem' }),
  op(0x28, 'MOVAPS', ['Vps', 'Wps'], NP),
  op(0x28, 'MOVAPS', ['Vpd', 'Wpd'], P66),
  op(0x29, 'MOVAPS', ['Wps', 'Vps'], NP),
  op(0x29, 'MOVAPS', ['Wpd', 'Vpd'], P66),
  op(0x2b, 'MOVAPS', ['Mdq', 'Vps'], { ...NP, mod: 'mem' }), // MOVNTPS
  op(0x2b, 'MOVAPS', ['Mdq', 'Vpd'], { ...P66, mod: 'mem' }), // MOVNTPD
  op(0x50, 'MOVMSKPS', ['Gd', 'Udq'], { ...NP, mod: 'reg' }),
  op(0x50, 'MOVMSKPD', ['Gd', 'Udq'], { ...P66, mod: 'reg' }),
  // ANDPS and its like are the integer instructions on other names.
  op(0x54, 'PAND', ['Vdq', 'Wdq'], NP),
  op(0x54, 'PAND', ['Vdq', 'Wdq'], P66),
  op(0x55, 'PANDN', ['Vdq', 'Wdq'], NP),
  op(0x55, 'PANDN', ['Vdq', 'Wdq'], P66),
  op(0x56, 'POR', ['Vdq', 'Wdq'], NP),
  op(0x56, 'POR', ['Vdq', 'Wdq'], P66),
  op(0x57, 'PXOR', ['Vdq', 'Wdq'], NP),
  op(0x57, 'PXOR', ['Vdq', 'Wdq'], P66),
  op(0x14, 'PUNPCKLDQ', ['Vdq', 'Wdq'], NP), // UNPCKLPS
  op(0x14, 'PUNPCKLQDQ', ['Vdq', 'Wdq'], P66), // UNPCKLPD
  op(0x15, 'PUNPCKHDQ', ['Vdq', 'Wdq'], NP),
  op(0x15, 'PUNPCKHQDQ', ['Vdq', 'Wdq'], P66),
  op(0x60, 'PUNPCKLBW', ['Pq', 'Qd'], MMX),
  op(0x60, 'PUNPCKLBW', ['Vdq', 'Wdq'], P66),
  op(0x61, 'PUNPCKLWD', ['Pq', 'Qd'], MMX),
  op(0x61, 'PUNPCKLWD', ['Vdq', 'Wdq'], P66),
  op(0x62, 'PUNPCKLDQ', ['Pq', 'Qd'], MMX),
  op(0x62, 'PUNPCKLDQ', ['Vdq', 'Wdq'], P66),
  op(0x6c, 'PUNPCKLQDQ', ['Vdq', 'Wdq'], P66),
  op(0x6d, 'PUNPCKHQDQ', ['Vdq', 'Wdq'], P66),
  op(0x6e, 'MOVDV', ['Pq', 'Ey'], MMX),
  op(0x6e, 'MOVDV', ['Vdq', 'Ey'], P66),
  op(0x6f, 'MOVQV', ['Pq', 'Qq'], MMX),
  op(0x6f, 'MOVAPS', ['Vdq', 'Wdq'], P66), // MOVDQA
  op(0x6f, 'MOVUPS', ['Vdq', 'Wdq'], PF3), // MOVDQU
  op(0x70, 'PSHUFW', ['Pq', 'Qq', 'Ib'], MMX),
  op(0x70, 'PSHUFD', ['Vdq', 'Wdq', 'Ib'], P66),
  op(0x70, 'PSHUFHW', ['Vdq', 'Wdq', 'Ib'], PF3),
  op(0x70, 'PSHUFLW', ['Vdq', 'Wdq', 'Ib'], PF2),
  ...shiftGroup(0x71, 2, 'PSRLW'),
  ...shiftGroup(0x71, 4, 'PSRAW'),
  ...shiftGroup(0x71, 6, 'PSLLW'),
  ...shiftGroup(0x72, 2, 'PSRLD'),
  ...shiftGroup(0x72, 4, 'PSRAD'),
  ...shiftGroup(0x72, 6, 'PSLLD'),
  ...shiftGroup(0x73, 2, 'PSRLQ'),
  ...shiftGroup(0x73, 6, 'PSLLQ'),
  op(0x73, 'PSRLDQ', ['Udq', 'Ib'], { ...P66, reg: 3, mod: 'reg' }),
  op(0x73, 'PSLLDQ', ['Udq', 'Ib'], { ...P66, reg: 7, mod: 'reg' }),
  op(0x7e, 'MOVDV', ['Ey', 'Pq'], MMX),
  op(0x7e, 'MOVDV', ['Ey', 'Vdq'], P66),
  op(0x7e, 'MOVQV', ['Vdq', 'Wq'], PF3),
  op(0x7f, 'MOVQV', ['Qq', 'Pq'], MMX),
  op(0x7f, 'MOVAPS', ['Wdq', 'Vdq'], P66), // MOVDQA
  op(0x7f, 'MOVUPS', ['Wdq', 'Vdq'], PF3), // MOVDQU
  op(0xc4, 'PINSRW', ['Pq', 'Ed', 'Ib'], MMX),
  op(0xc4, 'PINSRW', ['Vdq', 'Ed', 'Ib'], P66),
  op(0xc5, 'PEXTRW', ['Gd', 'Nq', 'Ib'], { ...MMX, mod: 'reg' }),
  op(0xc5, 'PEXTRW', ['Gd', 'Udq', 'Ib'], { ...P66, mod: 'reg' }),
  op(0xc6, 'SHUFPS', ['Vdq', 'Wdq', 'Ib'], NP),
  op(0xc6, 'SHUFPD', ['Vdq', 'Wdq', 'Ib'], P66),
  op(0xd6, 'MOVQV', ['Wq', 'Vdq'], P66),
  op(0xd6, 'MOVQ2DQ', ['Vdq', 'Nq'], { ...PF3, mod: 'reg' }),
  op(0xd6, 'MOVQV', ['Pq', 'Udq'], { ...PF2, mod: 'reg' }), // MOVDQ2Q
  op(0xd7, 'PMOVMSKB', ['Gd', 'Nq'], { ...MMX, mod: 'reg' }),
  op(0xd7, 'PMOVMSKB', ['Gd', 'Udq'], { ...P66, mod: 'reg' }),
  op(0xe7, 'MOVQV', ['Mq', 'Pq'], { ...MMX, mod: 'mem' }), // MOVNTQ
  op(0xe7, 'MOVAPS', ['Mdq', 'Vdq'], { ...P66, mod: 'mem' }), // MOVNTDQ
  op(0xf0, 'MOVUPS', ['Vdq', 'Mdq'], { ...PF2, mod: 'mem' }), // LDDQU
  op(0xf7, 'MASKMOV', ['Pq', 'Nq'], { ...MMX, mod: 'reg' }),
  op(0xf7, 'MASKMOV', ['Vdq', 'Udq'], { ...P66, mod: 'reg' }),
  ...BOTH_0F.flatMap(([opcode, mnemonic]) => both(opcode, mnemonic)),
];

export const SIMD_THREE_BYTE_38: readonly OpRow[] = [
  ...BOTH_38.flatMap(([opcode, mnemonic]) => both(opcode, mnemonic)),
  op(0x10, 'PBLENDVB', ['Vdq', 'Wdq'], P66),
  op(0x14, 'BLENDVPS', ['Vdq', 'Wdq'], P66),
  op(0x15, 'BLENDVPD', ['Vdq', 'Wdq'], P66),
  op(0x17, 'PTEST', ['Vdq', 'Wdq'], P66),
  op(0x20, 'PMOVSXBW', ['Vdq', 'Wq'], P66),
  op(0x21, 'PMOVSXBD', ['Vdq', 'Wd'], P66),
  op(0x22, 'PMOVSXBQ', ['Vdq', 'Ww'], P66),
  op(0x23, 'PMOVSXWD', ['Vdq', 'Wq'], P66),
  op(0x24, 'PMOVSXWQ', ['Vdq', 'Wd'], P66),
  op(0x25, 'PMOVSXDQ', ['Vdq', 'Wq'], P66),
  op(0x28, 'PMULDQ', ['Vdq', 'Wdq'], P66),
  op(0x29, 'PCMPEQQ', ['Vdq', 'Wdq'], P66),
  op(0x2a, 'MOVNTDQA', ['Vdq', 'Mdq'], { ...P66, mod: 'mem' }),
  op(0x2b, 'PACKUSDW', ['Vdq', 'Wdq'], P66),
  op(0x30, 'PMOVZXBW', ['Vdq', 'Wq'], P66),
  op(0x31, 'PMOVZXBD', ['Vdq', 'Wd'], P66),
  op(0x32, 'PMOVZXBQ', ['Vdq', 'Ww'], P66),
  op(0x33, 'PMOVZXWD', ['Vdq', 'Wq'], P66),
  op(0x34, 'PMOVZXWQ', ['Vdq', 'Wd'], P66),
  op(0x35, 'PMOVZXDQ', ['Vdq', 'Wq'], P66),
  op(0x37, 'PCMPGTQ', ['Vdq', 'Wdq'], P66),
  op(0x38, 'PMINSB', ['Vdq', 'Wdq'], P66),
  op(0x39, 'PMINSD', ['Vdq', 'Wdq'], P66),
  op(0x3a, 'PMINUW', ['Vdq', 'Wdq'], P66),
  op(0x3b, 'PMINUD', ['Vdq', 'Wdq'], P66),
  op(0x3c, 'PMAXSB', ['Vdq', 'Wdq'], P66),
  op(0x3d, 'PMAXSD', ['Vdq', 'Wdq'], P66),
  op(0x3e, 'PMAXUW', ['Vdq', 'Wdq'], P66),
  op(0x3f, 'PMAXUD', ['Vdq', 'Wdq'], P66),
  op(0x40, 'PMULLD', ['Vdq', 'Wdq'], P66),
];

export const SIMD_THREE_BYTE_3A: readonly OpRow[] = [
  op(0x0c, 'BLENDPS', ['Vdq', 'Wdq', 'Ib'], P66),
  op(0x0d, 'BLENDPD', ['Vdq', 'Wdq', 'Ib'], P66),
  op(0x0e, 'PBLENDW', ['Vdq', 'Wdq', 'Ib'], P66),
  op(0x0f, 'PALIGNR', ['Pq', 'Qq', 'Ib'], MMX),
  op(0x0f, 'PALIGNR', ['Vdq', 'Wdq', 'Ib'], P66),
  op(0x14, 'PEXTRB', ['Ed', 'Vdq', 'Ib'], P66),
  op(0x15, 'PEXTRW', ['Ed', 'Vdq', 'Ib'], P66),
  op(0x16, 'PEXTRQ', ['Eq', 'Vdq', 'Ib'], { ...P66, w: true }),
  op(0x16, 'PEXTRDQ', ['Ed', 'Vdq', 'Ib'], P66),
  op(0x20, 'PINSRB', ['Vdq', 'Ed', 'Ib'], P66),
  op(0x22, 'PINSRQ', ['Vdq', 'Eq', 'Ib'], { ...P66, w: true }),
  op(0x22, 'PINSRD', ['Vdq', 'Ed', 'Ib'], P66),
];
