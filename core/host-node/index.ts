export { nodeFiles } from './files';
export { nodeLocks } from './locks';
export { nodeSockets } from './sockets';
export { domusPaths, nodeSystem, type DomusPaths } from './system';
export { nodeTimers } from './timers';
export { nodeWasm } from './wasm';
