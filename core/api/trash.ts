/** A disk image that waits in the trash. */
export interface TrashedImage {
  vdev: string;
  /** Where it was and will be again. */
  path: string;
  /** What it takes on this computer. */
  takesBytes: number;
  /** It is no longer where it was put. */
  missing: boolean;
}

/** A deleted domain, with those of its images that went with it. */
export interface TrashEntry {
  id: string;
  /** Its name and uuid; both may be given to another one meanwhile. */
  name: string;
  uuid: string;
  deletedAtMs: number;
  images: TrashedImage[];
  /** Images that were left where they were, by path. */
  kept: string[];
}
