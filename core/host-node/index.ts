export { nodeFiles } from './files';
export { forkProcess, type ForkedProcess } from './fork';
export { nodeHost } from './host';
export { nodeLifeline } from './lifeline';
export { nodeLocks } from './locks';
export { nodeSockets } from './sockets';
export { domusPaths, nodeSystem, type DomusPaths } from './system';
export { nodeTimers } from './timers';
export { nodeWasm } from './wasm';
