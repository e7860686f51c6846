export * from './backends';
export * from './bus';
export * from './clock';
export * from './device';
export * from './memory';
export * from './network';
export * from './vcpu';
