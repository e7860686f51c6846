export { arrangeAddressSpace } from './address-space';
export { nodeCompression } from './compression';
export { DirectFile } from './direct-file';
export { nodeFiles } from './files';
export { forkProcess, type ForkedProcess } from './fork';
export { nodeFrameLinks } from './frame-links';
export { nodeHost } from './host';
export { nodeLifeline } from './lifeline';
export { nodeLocks } from './locks';
export { nodeNetwork } from './network';
export { nodeSockets } from './sockets';
export { domusPaths, nodeSystem, type DomusPaths } from './system';
export { nodeTimers } from './timers';
export { vncResponse } from './vnc-des';
export {
  compileMeanwhile,
  compileNow,
  giveWayToVcpus,
  nodeWasm,
  threadedWasm,
  type ThreadData,
} from './wasm';
