export * from './capture';
export * from './nat';
export * from './switch';
export * from './wire';
