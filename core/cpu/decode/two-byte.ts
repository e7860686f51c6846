// prettier-ignore
/** SDM Vol. 2D, table A-3 (0F xx) without the vector instructions, and tables A-4/A-5 (0F 38, 0F 3A) for general registers. */
import { CONDITIONS } from '../ops/move';
import { each8, op, type OpRow } from './op-row';

export const TWO_BYTE: readonly OpRow[] = [
  // Group 6
  op(0x00, 'SLDT', ['Ev'], { reg: 0, prot: true }),
  op(0x00, 'STR', ['Ev'], { reg: 1, prot: true }),
  op(0x00, 'LLDT', ['Ew'], { reg: 2, prot: true, cpl0: true }),
  op(0x00, 'LTR', ['Ew'], { reg: 3, prot: true, cpl0: true }),
  op(0x00, 'VERR', ['Ew'], { reg: 4, prot: true }),
  op(0x00, 'VERW', ['Ew'], { reg: 5, prot: true }),
  // Group 7
  op(0x01, 'SGDT', ['Ms'], { reg: 0, mod: 'mem' }),
  op(0x01, 'SIDT', ['Ms'], { reg: 1, mod: 'mem' }),
  op(0x01, 'LGDT', ['Ms'], { reg: 2, mod: 'mem', cpl0: true }),
  op(0x01, 'LIDT', ['Ms'], { reg: 3, mod: 'mem', cpl0: true }),
  op(0x01, 'SMSW', ['Ev'], { reg: 4 }),
  op(0x01, 'LMSW', ['Ew'], { reg: 6, cpl0: true }),
  op(0x01, 'INVLPG', ['Mm'], { reg: 7, mod: 'mem', cpl0: true }),
  op(0x01, 'CLAC', [], { reg: 1, mod: 'reg', rm: 2, p: 'none' }),
  op(0x01, 'STAC', [], { reg: 1, mod: 'reg', rm: 3, p: 'none' }),
  op(0x01, 'XGETBV', [], { reg: 2, mod: 'reg', rm: 0, p: 'none' }),
  op(0x01, 'XSETBV', [], { reg: 2, mod: 'reg', rm: 1, p: 'none', cpl0: true }),
  op(0x01, 'SWAPGS', [], { reg: 7, mod: 'reg', rm: 0, o64: true, cpl0: true }),
  op(0x01, 'RDTSCP', [], { reg: 7, mod: 'reg', rm: 1 }),
  op(0x02, 'LAR', ['Gv', 'Ew'], { prot: true }),
  op(0x03, 'LSL', ['Gv', 'Ew'], { prot: true }),
  op(0x05, 'SYSCALL', []),
  op(0x06, 'CLTS', [], { cpl0: true }),
  op(0x07, 'SYSRET', [], { cpl0: true }),
  op(0x08, 'NOP', [], { cpl0: true }), // INVD: no cache to drop
  op(0x09, 'NOP', [], { cpl0: true }), // WBINVD
  op(0x0b, 'UD'),
  op(0x0d, 'NOP', ['Mm']), // PREFETCHW
  op(0x18, 'NOP', ['Ev']), // PREFETCHh
  ...Array.from({ length: 7 }, (_, i) => op(0x19 + i, 'NOP', ['Ev'])),
  op(0x20, 'MOVFROMCR', ['Rq', 'Cm'], { fixed: true, cpl0: true }),
  op(0x21, 'MOVFROMDR', ['Rq', 'Dm'], { fixed: true, cpl0: true }),
  op(0x22, 'MOVTOCR', ['Cm', 'Rq'], { fixed: true, cpl0: true }),
  op(0x23, 'MOVTODR', ['Dm', 'Rq'], { fixed: true, cpl0: true }),
  op(0x30, 'WRMSR', [], { cpl0: true }),
  op(0x31, 'RDTSC'),
  op(0x32, 'RDMSR', [], { cpl0: true }),
  op(0x33, 'RDPMC'),
  op(0x34, 'SYSENTER', [], { prot: true }),
  op(0x35, 'SYSEXIT', [], { prot: true, cpl0: true }),
  ...CONDITIONS.flatMap((cc, i) => [
    op(0x40 + i, `CMOV${cc}`, ['Gv', 'Ev']),
    op(0x80 + i, `J${cc}`, ['Jz'], { f64: true }),
    op(0x90 + i, `SET${cc}`, ['Eb']),
  ]),
  op(0xa0, 'PUSHSEG', ['FS'], { d64: true }),
  op(0xa1, 'POPSEG', ['FS'], { d64: true }),
  op(0xa2, 'CPUID'),
  op(0xa3, 'BT', ['Ev', 'Gv']),
  op(0xa4, 'SHLD', ['Ev', 'Gv', 'Ib']),
  op(0xa5, 'SHLD', ['Ev', 'Gv', 'CL']),
  op(0xa8, 'PUSHSEG', ['GS'], { d64: true }),
  op(0xa9, 'POPSEG', ['GS'], { d64: true }),
  op(0xab, 'BTS', ['Ev', 'Gv'], { lock: true }),
  op(0xac, 'SHRD', ['Ev', 'Gv', 'Ib']),
  op(0xad, 'SHRD', ['Ev', 'Gv', 'CL']),
  op(0xae, 'RDFSBASE', ['Ry'], { reg: 0, mod: 'reg', p: 0xf3, o64: true }),
  op(0xae, 'RDGSBASE', ['Ry'], { reg: 1, mod: 'reg', p: 0xf3, o64: true }),
  op(0xae, 'WRFSBASE', ['Ry'], { reg: 2, mod: 'reg', p: 0xf3, o64: true }),
  op(0xae, 'WRGSBASE', ['Ry'], { reg: 3, mod: 'reg', p: 0xf3, o64: true }),
  op(0xae, 'NOP', [], { reg: 5, mod: 'reg', p: 'none' }), // LFENCE
  op(0xae, 'NOP', [], { reg: 6, mod: 'reg', p: 'none' }), // MFENCE
  op(0xae, 'NOP', [], { reg: 7, mod: 'reg', p: 'none' }), // SFENCE
  op(0xae, 'CLFLUSH', ['Mb'], { reg: 7, mod: 'mem', p: 'none' }),
  op(0xaf, 'IMUL', ['Gv', 'Ev']),
  op(0xb0, 'CMPXCHG', ['Eb', 'Gb'], { lock: true }),
  op(0xb1, 'CMPXCHG', ['Ev', 'Gv'], { lock: true }),
  op(0xb2, 'LOADFAR', ['Gv', 'Mp', 'SS']),
  op(0xb3, 'BTR', ['Ev', 'Gv'], { lock: true }),
  op(0xb4, 'LOADFAR', ['Gv', 'Mp', 'FS']),
  op(0xb5, 'LOADFAR', ['Gv', 'Mp', 'GS']),
  op(0xb6, 'MOVZX', ['Gv', 'Eb']),
  op(0xb7, 'MOVZX', ['Gv', 'Ew']),
  op(0xb8, 'POPCNT', ['Gv', 'Ev'], { p: 0xf3 }),
  op(0xb9, 'UD', ['Ev']),
  // Group 8
  op(0xba, 'BT', ['Ev', 'Ib'], { reg: 4 }),
  op(0xba, 'BTS', ['Ev', 'Ib'], { reg: 5, lock: true }),
  op(0xba, 'BTR', ['Ev', 'Ib'], { reg: 6, lock: true }),
  op(0xba, 'BTC', ['Ev', 'Ib'], { reg: 7, lock: true }),
  op(0xbb, 'BTC', ['Ev', 'Gv'], { lock: true }),
  op(0xbc, 'TZCNT', ['Gv', 'Ev'], { p: 0xf3 }),
  op(0xbc, 'BSF', ['Gv', 'Ev']),
  op(0xbd, 'LZCNT', ['Gv', 'Ev'], { p: 0xf3 }),
  op(0xbd, 'BSR', ['Gv', 'Ev']),
  op(0xbe, 'MOVSX', ['Gv', 'Eb']),
  op(0xbf, 'MOVSX', ['Gv', 'Ew']),
  op(0xc0, 'XADD', ['Eb', 'Gb'], { lock: true }),
  op(0xc1, 'XADD', ['Ev', 'Gv'], { lock: true }),
  op(0xc3, 'MOV', ['My', 'Gy'], { mod: 'mem', p: 'none' }), // MOVNTI
  // Group 9
  op(0xc7, 'CMPXCHG16B', ['Mdq'], { reg: 1, mod: 'mem', w: true, lock: true }),
  op(0xc7, 'CMPXCHG8B', ['Mq'], { reg: 1, mod: 'mem', lock: true }),
  op(0xc7, 'RDRAND', ['Rv'], { reg: 6, mod: 'reg' }),
  op(0xc7, 'RDSEED', ['Rv'], { reg: 7, mod: 'reg' }),
  ...each8(0xc8, 'BSWAP', ['Zv']),
  op(0xff, 'UD', ['Ev']),
];

export const THREE_BYTE_38: readonly OpRow[] = [
  op(0x82, 'INVPCID', ['Gy', 'Mdq'], { p: 0x66, cpl0: true, mod: 'mem' }),
  op(0xf0, 'MOVBE', ['Gv', 'Mv'], { mod: 'mem', p: 'none' }),
  op(0xf1, 'MOVBE', ['Mv', 'Gv'], { mod: 'mem', p: 'none' }),
  op(0xf0, 'MOVBE', ['Gv', 'Mv'], { mod: 'mem', p: 0x66 }),
  op(0xf1, 'MOVBE', ['Mv', 'Gv'], { mod: 'mem', p: 0x66 }),
  op(0xf6, 'ADCX', ['Gy', 'Ey'], { p: 0x66 }),
  op(0xf6, 'ADOX', ['Gy', 'Ey'], { p: 0xf3 }),
  op(0xf2, 'ANDN', ['Gy', 'By', 'Ey'], { vex: true, p: 'none', prot: true }),
  op(0xf3, 'BLSR', ['By', 'Ey'], { vex: true, reg: 1, p: 'none', prot: true }),
  op(0xf3, 'BLSMSK', ['By', 'Ey'], { vex: true, reg: 2, p: 'none', prot: true }),
  op(0xf3, 'BLSI', ['By', 'Ey'], { vex: true, reg: 3, p: 'none', prot: true }),
  op(0xf5, 'BZHI', ['Gy', 'Ey', 'By'], { vex: true, p: 'none', prot: true }),
  op(0xf5, 'PEXT', ['Gy', 'By', 'Ey'], { vex: true, p: 0xf3, prot: true }),
  op(0xf5, 'PDEP', ['Gy', 'By', 'Ey'], { vex: true, p: 0xf2, prot: true }),
  op(0xf6, 'MULX', ['Gy', 'By', 'Ey'], { vex: true, p: 0xf2, prot: true }),
  op(0xf7, 'BEXTR', ['Gy', 'Ey', 'By'], { vex: true, p: 'none', prot: true }),
  op(0xf7, 'SHLX', ['Gy', 'Ey', 'By'], { vex: true, p: 0x66, prot: true }),
  op(0xf7, 'SARX', ['Gy', 'Ey', 'By'], { vex: true, p: 0xf3, prot: true }),
  op(0xf7, 'SHRX', ['Gy', 'Ey', 'By'], { vex: true, p: 0xf2, prot: true }),
];

export const THREE_BYTE_3A: readonly OpRow[] = [
  op(0xf0, 'RORX', ['Gy', 'Ey', 'Ib'], { vex: true, p: 0xf2, prot: true }),
];
