import type { CaptureSink } from '../../net';
import type { FileHost } from '../../host';

/** A new file that a capture is appended to. */
export async function openCaptureFile(files: FileHost, path: string): Promise<CaptureSink> {
  const file = await files.open(path, 'create');
  let at = 0;
  return {
    append: async (bytes) => {
      const own = new Uint8Array(bytes);
      await file.write(at, own);
      at += own.length;
    },
    close: () => file.close(),
  };
}
