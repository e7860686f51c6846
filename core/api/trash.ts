/** A disk image that waits in the trash. */
export interface TrashedImage {
  /** What its domain knew it by; `file` for one that was deleted by itself. */
  vdev: string;
  /** Where it was and will be again. */
  path: string;
  /** What it takes on this computer. */
  takesBytes: number;
  /** It is no longer where it was put. */
  missing: boolean;
}

/** A deleted domain, with those of its images that went with it; or an image that was deleted by itself. */
export interface TrashEntry {
  id: string;
  /** Its name, that of the file for an image; it may be given to another one meanwhile. */
  name: string;
  /** That of the domain; null for an image that was deleted by itself. */
  uuid: string | null;
  deletedAtMs: number;
  images: TrashedImage[];
  /** Images that were left where they were, by path. */
  kept: string[];
}
