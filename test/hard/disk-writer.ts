/**
 * Writes to an image until it is killed: `disk-writer PATH FORMAT SECTORS SEED STAMP BACKING`. Says `ready`, then the number
 * of each batch once its flush is done.
 */
import { writeSync } from 'node:fs';
import { openImage, type ImageFormat } from '../../core/storage';
import { HOST } from '../storage/qemu';
import { SECTOR_BYTES, SectorOracle } from '../storage/sector-oracle';
import { Batches, perform } from './batches';

const [path = '', format = '', sectors = '', seed = '', stamp = '', backing = ''] =
  process.argv.slice(2);
const image = await openImage(HOST, {
  path,
  format: format as ImageFormat,
  readOnly: false,
  owner: { pid: process.pid, name: 'the writer' },
  ...(backing === '' ? {} : { backing: { directories: [backing] } }),
});
const zeros = new Uint8Array(Number(sectors) * SECTOR_BYTES);
const oracle = SectorOracle.from(zeros, Number(stamp));
const batches = new Batches(Number(seed), Number(sectors));
writeSync(1, 'ready\n');
for (let number = 0; ; number++) {
  await perform(image, batches.next(oracle));
  await image.flush();
  writeSync(1, `${number}\n`);
}
