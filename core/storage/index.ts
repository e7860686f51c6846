export {
  ImageError,
  SECTOR_BYTES,
  type DiskImage,
  type ImageErrorCode,
  type ImageHost,
  type OpenImageOptions,
} from './image';
export { inspectIso, type IsoInspection } from './iso/inspect';
export { MAX_DISK_BYTES, asImageError, createRawImage, growRawImage, openRawImage } from './raw';
