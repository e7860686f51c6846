export * from './wasm';
