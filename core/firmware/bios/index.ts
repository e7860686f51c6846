export { Bios, type BiosState } from './bios';
export type {
  BiosBoard,
  BiosConfig,
  BiosDisk,
  BiosNetworkCard,
  DiskGeometry,
  FontSet,
} from './platform-api';
export { TRAP_PORT } from './rom-code';
export { cmosImage, type CmosConfig } from './system/cmos';
