export { crc32, unpackXz } from './container';
export { UnpackError } from './lzma2';
