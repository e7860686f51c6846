export * from './commands';
export * from './domain';
export * from './errors';
export * from './install';
export * from './ipc';
export * from './network';
export * from './performance';
export * from './storage';
