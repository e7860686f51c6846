export * from './files';
export * from './locks';
export * from './network';
export * from './sockets';
export * from './system';
export * from './timers';
export * from './wasm';
export * from './zlib';
