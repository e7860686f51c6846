/**
 * SSE floating point, and the vector instructions whose work is done by helpers (helpers/sse-*.ts): SDM Vol. 2. What
 * depends on MXCSR lies in the helpers; a helper raises #XM before the destination is written.
 */
import { i32, i64, v128, type I32 } from '../../wasm';
import { PREFIX_REXW } from '../layout';
import type { OpContext } from './context';
import { define, type OpDefinition } from './define';
import type { HelperName } from './helper-types';
import { fromI64, low64 } from './simd';

const ALIGNED = { aligned: true } as const;
const immediate = (c: OpContext): I32 => i32.wrap(c.immediate());

/** dst = helper(dst, src), vectors; an immediate goes last. */
function packed(mnemonic: string, helper: HelperName): OpDefinition {
  return define(mnemonic, ALIGNED, (c) => {
    const source = c.let(c.getVector(1));
    const rest = c.forms.length > 2 ? [immediate(c)] : [];
    c.setVector(0, c.helper(helper, 'v128', c.getVector(0), source, ...rest));
  });
}

/** dst = helper(src), vectors. */
function packedUnary(
  mnemonic: string,
  helper: HelperName,
  aligned: boolean,
  ...constants: number[]
): OpDefinition {
  return define(mnemonic, { aligned }, (c) => {
    const rest = c.forms.length > 2 ? [immediate(c)] : constants.map((n) => i32.const(n));
    c.setVector(0, c.helper(helper, 'v128', c.getVector(1), ...rest));
  });
}

/** The lowest lane: dst = helper(dst, src), the other lanes stay. */
function scalar(mnemonic: string, helper: HelperName): OpDefinition {
  return define(mnemonic, {}, (c) => {
    const source = c.let(c.get(1));
    const rest = c.forms.length > 2 ? [immediate(c)] : [];
    c.set(0, c.helper(helper, c.forms[0].bytes === 8 ? 'i64' : 'i32', c.get(0), source, ...rest));
  });
}

function scalarUnary(mnemonic: string, helper: HelperName, ...constants: number[]): OpDefinition {
  return define(mnemonic, {}, (c) => {
    const rest = c.forms.length > 2 ? [immediate(c)] : constants.map((n) => i32.const(n));
    const type = c.forms[0].bytes === 8 ? 'i64' : 'i32';
    c.set(0, c.helper(helper, type, c.get(1), ...rest));
  });
}

/** Names of the helpers: ADDPS -> addPs. */
const helperOf = (name: string, shape: string): HelperName =>
  name.toLowerCase() + shape[0] + shape[1].toLowerCase();

function arith(name: string): OpDefinition[] {
  return [
    packed(`${name}PS`, helperOf(name, 'PS')),
    packed(`${name}PD`, helperOf(name, 'PD')),
    scalar(`${name}SS`, helperOf(name, 'SS')),
    scalar(`${name}SD`, helperOf(name, 'SD')),
  ];
}

function compareFlags(mnemonic: string, helper: HelperName, signaling: number): OpDefinition {
  return define(mnemonic, { reads: true }, (c) => {
    const source = c.let(c.get(1));
    c.setRawFlags(c.helper(helper, 'i32', c.get(0), source, i32.const(signaling)));
  });
}

/** To a general register of 4 or 8 bytes. */
function toGeneral(mnemonic: string, helper: HelperName, truncate: number): OpDefinition {
  return define(mnemonic, {}, (c) => {
    const { bytes } = c.forms[0];
    const value = c.helper(helper, 'i64', c.get(1), i32.const(bytes), i32.const(truncate));
    c.set(0, bytes === 8 ? value : i32.wrap(value));
  });
}

/** To an MMX register from two singles or two doubles. */
function toMmx(mnemonic: string, double: boolean, truncate: number): OpDefinition {
  return define(mnemonic, ALIGNED, (c) => {
    if (double) {
      c.setVector(0, c.helper('cvtPd2Dq', 'v128', c.getVector(1), i32.const(truncate)));
      return;
    }
    const value = c.helper('cvtPs2Pi', 'i64', low64(c.getVector(1)), i32.const(truncate));
    c.setVector(0, fromI64(value));
  });
}

/** f64x2.convert_low_i32x4_s: exact. */
const convertLow = v128.unary(254);

const explicitWide = (c: OpContext): I32 =>
  i32.ne(i32.and(c.prefixes(), i32.const(PREFIX_REXW)), i32.const(0));

/** PCMPxSTRx: index to ECX or mask to XMM0, and the flags. */
function text(mnemonic: string, explicit: boolean, mask: boolean): OpDefinition {
  return define(mnemonic, {}, (c) => {
    const source = c.let(c.getVector(1));
    const rest = [immediate(c), i32.const(explicit ? 1 : 0), explicitWide(c)];
    if (mask) {
      c.setXmm(0, c.helper('compareTextMask', 'v128', c.getVector(0), source, ...rest));
    } else {
      c.setReg(1, 4, c.helper('compareTextIndex', 'i32', c.getVector(0), source, ...rest));
    }
    c.setRawFlags(c.helper('textFlags', 'i32'));
  });
}

export const SSE_FLOAT: readonly OpDefinition[] = [
  ...['ADD', 'SUB', 'MUL', 'DIV', 'MIN', 'MAX'].flatMap(arith),
  packedUnary('SQRTPS', 'sqrtPs', true),
  packedUnary('SQRTPD', 'sqrtPd', true),
  scalarUnary('SQRTSS', 'sqrtSs'),
  scalarUnary('SQRTSD', 'sqrtSd'),
  packedUnary('RCPPS', 'estimatePs', true, 0),
  packedUnary('RSQRTPS', 'estimatePs', true, 1),
  scalarUnary('RCPSS', 'estimateSs', 0),
  scalarUnary('RSQRTSS', 'estimateSs', 1),
  packed('HADDPS', 'haddPs'),
  packed('HADDPD', 'haddPd'),
  packed('HSUBPS', 'hsubPs'),
  packed('HSUBPD', 'hsubPd'),
  packed('ADDSUBPS', 'addsubPs'),
  packed('ADDSUBPD', 'addsubPd'),
  packed('DPPS', 'dotPs'),
  packed('DPPD', 'dotPd'),
  packed('CMPPS', 'cmpPs'),
  packed('CMPPD', 'cmpPd'),
  scalar('CMPSS', 'cmpSs'),
  scalar('CMPSDX', 'cmpSd'),
  compareFlags('COMISS', 'comiSs', 1),
  compareFlags('COMISD', 'comiSd', 1),
  compareFlags('UCOMISS', 'comiSs', 0),
  compareFlags('UCOMISD', 'comiSd', 0),
  packedUnary('ROUNDPS', 'roundPs', true),
  packedUnary('ROUNDPD', 'roundPd', true),
  scalarUnary('ROUNDSS', 'roundSs'),
  scalarUnary('ROUNDSD', 'roundSd'),
  scalarUnary('CVTSS2SD', 'cvtSs2Sd'),
  scalarUnary('CVTSD2SS', 'cvtSd2Ss'),
  packedUnary('CVTPS2PD', 'cvtPs2Pd', false),
  packedUnary('CVTPD2PS', 'cvtPd2Ps', true),
  packedUnary('CVTDQ2PS', 'cvtDq2Ps', true),
  packedUnary('CVTPS2DQ', 'cvtPs2Dq', true, 0),
  packedUnary('CVTTPS2DQ', 'cvtPs2Dq', true, 1),
  packedUnary('CVTPD2DQ', 'cvtPd2Dq', true, 0),
  packedUnary('CVTTPD2DQ', 'cvtPd2Dq', true, 1),
  define('CVTDQ2PD', {}, (c) => c.setVector(0, convertLow(c.getVector(1)))),
  define('CVTSI2SS', {}, (c) => c.set(0, c.helper('cvtSi2Ss', 'i32', c.getSigned(1, 8)))),
  define('CVTSI2SD', {}, (c) => c.set(0, c.helper('cvtSi2Sd', 'i64', c.getSigned(1, 8)))),
  define('CVTPI2PS', {}, (c) => c.set(0, c.helper('cvtPi2Ps', 'i64', c.get(1)))),
  define('CVTPI2PD', {}, (c) => c.setVector(0, convertLow(c.getVector(1)))),
  toGeneral('CVTSS2SI', 'cvtSs2Si', 0),
  toGeneral('CVTTSS2SI', 'cvtSs2Si', 1),
  toGeneral('CVTSD2SI', 'cvtSd2Si', 0),
  toGeneral('CVTTSD2SI', 'cvtSd2Si', 1),
  toMmx('CVTPS2PI', false, 0),
  toMmx('CVTTPS2PI', false, 1),
  toMmx('CVTPD2PI', true, 0),
  toMmx('CVTTPD2PI', true, 1),
  packed('PSIGNB', 'signBytes'),
  packed('PSIGNW', 'signWords'),
  packed('PSIGND', 'signDwords'),
  packed('PMADDUBSW', 'multiplyAddBytes'),
  packed('PMULHRSW', 'multiplyRound'),
  packed('MPSADBW', 'sumDifferences'),
  packedUnary('PHMINPOSUW', 'horizontalMinimum', true),
  define('INSERTPS', {}, (c) => {
    const lane = i32.and(i32.shrU(immediate(c), i32.const(6)), i32.const(3));
    const fromRegister = (): I32 => {
      const word = c.helper(
        'extractLane',
        'i64',
        c.getVector(1),
        lane,
        i32.const(16),
        i32.const(4),
      );
      return i32.wrap(word);
    };
    const value = c.let(c.forms[1].kind === 'm' ? c.toI32(c.get(1)) : fromRegister());
    c.setVector(0, c.helper('insertSingle', 'v128', c.getVector(0), value, immediate(c)));
  }),
  packed('AESENC', 'aesEncrypt'),
  packed('AESENCLAST', 'aesEncryptLast'),
  packed('AESDEC', 'aesDecrypt'),
  packed('AESDECLAST', 'aesDecryptLast'),
  packedUnary('AESIMC', 'aesInverseMixColumns', true),
  packedUnary('AESKEYGENASSIST', 'aesKeyAssist', true),
  packed('PCLMULQDQ', 'multiplyCarryless'),
  define('CRC32', {}, (c) => {
    const { bytes } = c.forms[1];
    const value = c.let(c.toI64(c.get(1)));
    const crc = c.helper('crc32', 'i32', c.toI32(c.get(0)), value, i32.const(bytes));
    c.set(0, c.forms[0].bytes === 8 ? i64.extendU(crc) : crc);
  }),
  text('PCMPESTRM', true, true),
  text('PCMPESTRI', true, false),
  text('PCMPISTRM', false, true),
  text('PCMPISTRI', false, false),
];
