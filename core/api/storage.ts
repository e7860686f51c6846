import type { DiskFormat } from './domain';

/** A machine that names an image. */
export interface ImageUser {
  uuid: string;
  name: string;
  vdev: string;
  running: boolean;
}

/** An image file, as a disk of a machine or in a folder that is looked into. */
export interface StoredImage {
  path: string;
  kind: 'disk' | 'cd';
  /** As configured, or as the name says; never by what the file contains. */
  format: DiskFormat;
  /** Size of the disk that a guest sees; null when it cannot be told. */
  sizeBytes: number | null;
  fileBytes: number;
  /** What it takes on this computer. */
  allocatedBytes: number | null;
  /** Snapshots inside it. */
  snapshots: number;
  /** The image below it, '' for none. */
  backing: string;
  usedBy: ImageUser[];
  /** Why it cannot be used, '' when nothing is known to be wrong. */
  problem: string;
}

/** A folder whose images are listed. */
export interface StorageFolder {
  path: string;
  /** `own`: where new disks go; `added` by the user; `used`: machines have images there. */
  kind: 'own' | 'added' | 'used';
  problem: string;
}

export interface StorageList {
  folders: StorageFolder[];
  images: StoredImage[];
}

/** What a check has found. */
export interface ImageCheck {
  problems: string[];
  problemCount: number;
  leakedClusters: number;
  dirty: boolean;
  corrupt: boolean;
  /** A repair mended something. */
  repaired: boolean;
}

/** Which image an act is about; the format as the list tells it. */
export interface ImageName {
  path: string;
  format: DiskFormat;
}
