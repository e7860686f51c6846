/**
 * The helpers (AssemblyScript, helpers/index.ts) that definitions and the interpreter call: name -> parameters > result.
 * Letters: i i32, l i64, d f64, v v128.
 */
import type { ValType } from '../../wasm';

export const HELPERS: Readonly<Record<string, string>> = {
  // memory (helpers/mmu.ts)
  slowLoad: 'li>l',
  slowStore: 'lil>',
  slowLoad128: 'l>v',
  slowStore128: 'lv>',
  probeWrite: 'li>',
  checkAligned16: 'l>',
  checkCanonical: 'l>',
  invalidatePage: 'l>',
  invalidatePcid: 'll>',
  // blocks and exceptions
  lookupBlock: '>i',
  fetchNextPage: '>',
  raise: 'ii>',
  undefinedOpcode: '>',
  softwareInterrupt: 'ii>',
  interruptReturn: 'i>',
  // flags and stack
  arithmeticFlags: '>i',
  pushFlags: 'i>',
  popFlags: 'i>',
  pushAll: 'i>',
  popAll: 'i>',
  leave: 'i>',
  enter: 'ii>',
  asciiAdjustMultiply: 'i>',
  clearInterrupts: '>',
  setInterrupts: '>',
  clearAlignmentCheck: '>',
  setAlignmentCheck: '>',
  // arithmetic
  mulHighU: 'll>l',
  mulHighS: 'll>l',
  divide: 'li>',
  divideSigned: 'li>',
  deposit: 'll>l',
  extract: 'll>l',
  randomBits: '>l',
  // strings: element bytes, address bytes, segment, prefixes
  movs: 'iiii>',
  cmps: 'iiii>',
  stos: 'iiii>',
  lods: 'iiii>',
  scas: 'iiii>',
  ins: 'iiii>',
  outs: 'iiii>',
  // segments and far transfers
  checkSegment: 'ilii>',
  segmentSelector: 'i>i',
  loadSegment: 'ii>',
  pushSegment: 'ii>',
  popSegment: 'ii>',
  loadGdt: 'li>',
  loadIdt: 'li>',
  loadLdt: 'i>',
  loadTaskRegister: 'i>',
  loadAccessRights: 'i>l',
  loadSegmentLimit: 'i>l',
  verifySegment: 'ii>i',
  farJump: 'ili>',
  farCall: 'ili>',
  farReturn: 'ii>',
  // system
  portIn: 'ii>i',
  portOut: 'iii>',
  halt: '>',
  loadMachineStatus: 'i>',
  clearTaskSwitched: '>',
  readControl: 'i>l',
  writeControl: 'il>',
  readDebug: 'i>l',
  writeDebug: 'il>',
  readModelSpecific: '>',
  writeModelSpecific: '>',
  readTimeStamp: '>',
  readTimeStampId: '>',
  readPerformance: '>',
  identify: '>',
  readExtendedControl: '>',
  writeExtendedControl: '>',
  systemCall: '>',
  systemReturn: 'i>',
  systemEnter: '>',
  systemExit: 'i>',
  checkFsGsBase: '>',
  // x87 and SSE state
  initialiseX87: '>',
  loadMxcsr: 'i>',
  saveFx: 'li>',
  restoreFx: 'li>',
  saveExtended: 'li>',
  restoreExtended: 'li>',
  // vector lanes
  shuffleDwords: 'vi>v',
  shuffleLowWords: 'vi>v',
  shuffleHighWords: 'vi>v',
  shuffleSingles: 'vvi>v',
  shuffleDoubles: 'vvi>v',
  blendWords: 'vvi>v',
  blendDwords: 'vvi>v',
  blendQwords: 'vvi>v',
  shiftBytesLeft: 'vi>v',
  shiftBytesRight: 'vi>v',
  alignRight: 'vvii>v',
  extractLane: 'viii>l',
  insertLane: 'vliii>v',
  maskedStore: 'lvvi>',
};

export type HelperName = string;

const LETTERS: Record<string, ValType> = { i: 'i32', l: 'i64', d: 'f64', v: 'v128' };

export function helperType(signature: string): { params: ValType[]; results: ValType[] } {
  const [params = '', results = ''] = signature.split('>');
  const types = (letters: string) => [...letters].map((letter) => LETTERS[letter]!);
  return { params: types(params), results: types(results) };
}
