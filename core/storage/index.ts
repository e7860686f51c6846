export {
  ImageError,
  MAX_DISK_BYTES,
  SECTOR_BYTES,
  type DiskImage,
  type ImageErrorCode,
  type ImageExtent,
  type ImageHost,
  type OpenImageOptions,
  type PlainFile,
} from './image';
export { inspectIso, type IsoInspection } from './iso/inspect';
export { copyFromIso, findBootFiles, type IsoBootFiles, type IsoExtent } from './iso/boot-files';
export { buildIso, type IsoFile } from './iso/writer';
export { asImageError } from './image-file';
export { createRawImage, growRawImage, openRawImage } from './raw';
export {
  DISK_FORMATS,
  openImage,
  type BackingPolicy,
  type ImageFormat,
  type OpenDiskOptions,
} from './open-image';
export { describeImage, guessFormat, type ImageInfo, type SnapshotInfo } from './info';
export {
  applyImageSnapshot,
  checkImage,
  convertImage,
  createImage,
  createImageSnapshot,
  deleteImageSnapshot,
  growImage,
  holdImage,
  type CheckReport,
  type ConvertTarget,
  type ImageTask,
  type OnProgress,
} from './tools';
export type { RepairKind } from './qcow2/mend';
export { createQcow2, type CreateQcow2Options } from './qcow2/create';
