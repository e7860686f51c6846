export { unpackXz } from './container';
export { UnpackError } from './lzma2';
