/** Does everything with the image at PATH that is done with one of unknown origin: `image-user PATH FORMAT COPY`. */
import { copyFileSync, rmSync } from 'node:fs';
import { useImage, type SampleFormat } from '../storage/damage';
import { HOST } from '../storage/qemu';

const [path = '', format = '', copy = ''] = process.argv.slice(2);
const begin = performance.now();
await useImage(
  () => {
    rmSync(copy, { force: true });
    copyFileSync(path, copy);
    return HOST;
  },
  copy,
  format as SampleFormat,
);
const ms = performance.now() - begin;
process.stdout.write(
  `${JSON.stringify({ ms, rssBytes: process.resourceUsage().maxRSS * 1024 })}\n`,
);
