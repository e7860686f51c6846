export { MachineAddressSpace } from './address-space';
export { MachineClock, type HostTime } from './clock';
export {
  Machine,
  MAX_MEMORY_MIB,
  MIN_MEMORY_MIB,
  TSC_HZ,
  type MachineConfig,
  type MachineDisk,
  type MachineHost,
  type MachineState,
} from './machine';
export { Pc } from './pc';
export { RunLoop, type SliceResult, type StopCause } from './run-loop';
