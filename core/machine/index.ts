export { TranslatorService, type ToTranslator, type TranslatorStart } from '../cpu';
export { MachineAddressSpace } from './address-space';
export { MachineClock, type HostTime } from './clock';
export {
  Machine,
  MAX_MEMORY_MIB,
  MIN_MEMORY_MIB,
  TSC_HZ,
  type MachineConfig,
  type MachineHost,
  type MachineState,
} from './machine';
export type { MachineDisk } from './machine-disks';
export { Pc } from './pc';
export type { NicModel, PcNic } from './pc-cards';
export { RunLoop, type SliceResult, type StopCause } from './run-loop';
