export * from './files';
export * from './locks';
export * from './timers';
export * from './wasm';
