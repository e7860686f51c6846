/** Looks at, checks, opens, changes and copies an image as the product does: `image-opener PATH FORMAT DIRECTORY`. */
import { rmSync } from 'node:fs';
import {
  checkImage,
  convertImage,
  describeImage,
  ImageError,
  openImage,
  type ImageFormat,
} from '../../core/storage';
import { HOST, OWNER } from '../storage/qemu';

const [path = '', format = '', directory = ''] = process.argv.slice(2);
const task = {
  path,
  format: format as ImageFormat,
  owner: OWNER,
  ...(directory === '' ? {} : { backing: { directories: [directory] } }),
};
const copy = `${path}.copy`;

async function use(readOnly: boolean): Promise<void> {
  const image = await openImage(HOST, { ...task, readOnly });
  try {
    await image.read(0, 65536);
    await image.extent(0, image.sizeBytes);
    if (!readOnly) await image.write(512, new Uint8Array(512).fill(7));
  } finally {
    await image.close();
  }
}

const acts: readonly (() => Promise<unknown>)[] = [
  () => describeImage(HOST, path, task.format),
  () => checkImage(HOST, task),
  () => use(true),
  () => use(false),
  () => convertImage(HOST, task, { path: copy, format: 'raw' }),
];
const outcomes: string[] = [];
for (const act of acts) {
  try {
    await act();
    outcomes.push('done');
  } catch (cause) {
    if (!(cause instanceof ImageError)) throw cause;
    outcomes.push(cause.message);
  }
}
rmSync(copy, { force: true });
process.stdout.write(JSON.stringify(outcomes));
