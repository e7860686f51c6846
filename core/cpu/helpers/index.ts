// AssemblyScript. Everything the interpreters (ops/helper-types.ts) and TypeScript (vcpu.ts) call.
export { init } from './state';
export {
  checkAligned16,
  checkCanonical,
  probeRead,
  probeWrite,
  slowLoad,
  slowLoad128,
  slowStore,
  slowStore128,
  translateQuietly,
  tryLoad,
  tryLoad128,
  tryProbe,
  tryStore,
  tryStore128,
} from './mmu';
export { flushTlb, invalidatePage } from './tlb';
export {
  dropJumpsOf,
  fetchNextPage,
  flushAllBlocks,
  invalidateCode,
  linkBlock,
  lookupBlock,
  peekBlock,
  updateMode,
} from './blocks';
export {
  deliverFault,
  nonMaskableInterrupt,
  raise,
  serviceInterrupts,
  softwareInterrupt,
  undefinedOpcode,
} from './exceptions';
export { arithmeticFlags, readFlags, writeFlagsRaw } from './flags';
export {
  checkSegment,
  loadAccessRights,
  loadGdt,
  loadIdt,
  loadLdt,
  loadSegment,
  loadSegmentLimit,
  loadTaskRegister,
  popSegment,
  pushSegment,
  segmentSelector,
  verifySegment,
} from './segments';
export { farCall, farJump, farReturn, interruptReturn } from './far';
export { systemCall, systemEnter, systemExit, systemReturn } from './syscall';
export {
  asciiAdjustMultiply,
  deposit,
  divide,
  divideSigned,
  extract,
  mulHighS,
  mulHighU,
} from './muldiv';
export { enter, leave, popAll, popFlags, pushAll, pushFlags } from './stack';
export { cmps, ins, lods, movs, outs, scas, stos } from './strings';
export {
  checkFsGsBase,
  clearTaskSwitched,
  invalidatePcid,
  loadMachineStatus,
  readControl,
  readExtendedControl,
  resetCpu,
  writeControl,
  writeExtendedControl,
} from './control';
export { checkCodeBreakpoints, readDebug, singleStep, writeDebug } from './debug';
export {
  readModelSpecific,
  readPerformance,
  readTimeStamp,
  readTimeStampId,
  writeModelSpecific,
} from './model-specific';
export {
  clearAlignmentCheck,
  clearInterrupts,
  halt,
  identify,
  portIn,
  portOut,
  randomBits,
  setAlignmentCheck,
  setInterrupts,
} from './system';
export {
  alignRight,
  blendDwords,
  blendQwords,
  blendWords,
  extractLane,
  insertLane,
  maskedStore,
  shiftBytesLeft,
  shiftBytesRight,
  shuffleDoubles,
  shuffleDwords,
  shuffleHighWords,
  shuffleLowWords,
  shuffleSingles,
} from './lanes';
export {
  initialiseX87,
  loadMxcsr,
  restoreExtended,
  restoreFx,
  saveExtended,
  saveFx,
} from './fp-state';
export * from './sse-arith';
export * from './sse-compare';
export * from './sse-convert';
export * from './sse-crypto';
export * from './sse-integer';
export { compareTextIndex, compareTextMask, textFlags } from './sse-text';
export * from './x87';
