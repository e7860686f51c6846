export { MachineAddressSpace } from './address-space';
export { MachineClock, type HostTime } from './clock';
export { Pc } from './pc';
export { RunLoop, type SliceResult, type StopCause } from './run-loop';
