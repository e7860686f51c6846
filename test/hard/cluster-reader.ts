/**
 * Reads blocks of an image one by one, those that fail too, and tells as JSON what came of it:
 * `cluster-reader PATH FORMAT BLOCK_BYTES BLOCKS`.
 */
import type { CompressionHost } from '../../core/host';
import { nodeCompression } from '../../core/host-node';
import { ImageError, openImage, type ImageFormat } from '../../core/storage';
import { HOST, OWNER } from '../storage/qemu';

const [path = '', format = '', blockBytes = '', blocks = ''] = process.argv.slice(2);
let largest = 0;

function measured<A extends unknown[]>(
  expand: (...args: A) => Promise<Uint8Array<ArrayBuffer>>,
): (...args: A) => Promise<Uint8Array<ArrayBuffer>> {
  return async (...args) => {
    const output = await expand(...args);
    largest = Math.max(largest, output.length);
    return output;
  };
}

const compression: CompressionHost = {
  ...nodeCompression,
  inflateRaw: measured(nodeCompression.inflateRaw),
  inflate: measured(nodeCompression.inflate),
  zstd: measured(nodeCompression.zstd),
};
const length = Number(blockBytes);
const image = await openImage(
  { ...HOST, compression },
  { path, format: format as ImageFormat, readOnly: true, owner: OWNER },
);
// The first block is as it should be. Reading it as often as the others takes what reading takes at all, before garbage is
// collected too; what the others take beyond is theirs.
for (let block = 0; block < Number(blocks); block++) await image.read(0, length);
const baseline = process.resourceUsage().maxRSS;
let read = 0;
let refused = 0;
let slowestMs = 0;
const unclear: string[] = [];
for (let block = 1; block < Number(blocks); block++) {
  const begin = performance.now();
  try {
    const bytes = await image.read(block * length, length);
    if (bytes.length === length) read++;
    else unclear.push(`block ${block}: ${bytes.length} bytes`);
  } catch (cause) {
    if (cause instanceof ImageError && cause.code === 'BAD' && cause.message.includes(path))
      refused++;
    else unclear.push(`block ${block}: ${String(cause)}`);
  }
  slowestMs = Math.max(slowestMs, performance.now() - begin);
}
await image.close();
const growth = (process.resourceUsage().maxRSS - baseline) * 1024;
process.stdout.write(JSON.stringify({ largest, growth, read, refused, slowestMs, unclear }));
