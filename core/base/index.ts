export { assert, assertNever, AssertionError } from './assert';
export { decodeBase64 } from './base64';
export { cloneState } from './clone-state';
export { crc32 } from './crc32';
export { Emitter, type Dispose } from './emitter';
export { NULL_LOGGER, type Logger, type LogLevel } from './logger';
