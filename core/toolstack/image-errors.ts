import { DomusError, type ErrorCode } from '../api';
import { ImageError, type ImageErrorCode } from '../storage';

/** What problems of images are called outside of core. */
export const IMAGE_ERROR_CODES: Readonly<Record<ImageErrorCode, ErrorCode>> = {
  NOT_FOUND: 'IMAGE_NOT_FOUND',
  UNREADABLE: 'IMAGE_UNREADABLE',
  NOT_A_FILE: 'IMAGE_BAD',
  BAD: 'IMAGE_BAD',
  IN_USE: 'IMAGE_IN_USE',
  NO_SPACE: 'IMAGE_BAD',
  FAILED: 'IMAGE_UNREADABLE',
};

/** Runs work on an image; its problems become DomusErrors. */
export async function withImageErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof ImageError)) throw cause;
    throw new DomusError(IMAGE_ERROR_CODES[cause.code], cause.message, undefined, { cause });
  }
}
