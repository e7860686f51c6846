/**
 * Power cuts: an image's un-synced writes are lost by sectors at random. What was flushed is there, the tables are
 * whole, and at most room is lost. Bar D2 (test/hard) cuts more often.
 */
import { describe, expect, it } from 'vitest';
import { FileError } from '../../core/host';
import { checkImage, createQcow2, ImageError } from '../../core/storage';
import { CrashHost } from './crash-host';
import {
  CRASH_KINDS,
  crashWorkload,
  cutPower,
  DISK_BYTES,
  examineCut,
  openCrashing,
  PATH,
} from './power-cut';
import { Directory, OWNER } from './qemu';
import { Random } from './random';
import { SECTOR_BYTES, SectorOracle } from './sector-oracle';

const STATES_PER_KIND = 60;

describe('a power cut at any moment', () => {
  it.each(CRASH_KINDS)('on $name loses nothing that was flushed', async (kind) => {
    const judge = new Directory();
    const reports = await cutPower(kind, STATES_PER_KIND, new Random(kind.name.length), judge);
    expect(reports.flatMap(({ problems }) => problems)).toEqual([]);
    judge.close();
  });
});

describe('failures of the host', () => {
  it('a failed sync ends all writing, and what is on the disk is whole', async () => {
    const random = new Random(11);
    for (let turn = 0; turn < 40; turn++) {
      const host = new CrashHost();
      await createQcow2(host.host.files, { path: PATH, sizeBytes: DISK_BYTES, clusterBytes: 4096 });
      const oracle = SectorOracle.empty(DISK_BYTES / SECTOR_BYTES);
      const image = await openCrashing(host);
      let left = 1 + random.below(20);
      host.onCall = (kind, path) => {
        if (kind === 'sync' && --left === 0)
          throw new FileError('EIO', path, 'the read or write failed');
      };
      await expect(crashWorkload(random, image, oracle, 1000)).rejects.toThrow();
      host.onCall = () => undefined;
      await expect(image.write(0, new Uint8Array(SECTOR_BYTES))).rejects.toThrow(
        'could not be made durable',
      );
      await expect(image.flush()).rejects.toThrow('could not be made durable');
      await image.close();
      const { problems } = await examineCut(host.file(PATH).cut(random, 0.5), oracle);
      expect(problems).toEqual([]);
    }
  });

  it.each([512, 4096, 65536])(
    'what a full host disk kept from being written is written when there is room (clusters of %d)',
    async (clusterBytes) => {
      const random = new Random(clusterBytes);
      const host = new CrashHost();
      await createQcow2(host.host.files, { path: PATH, sizeBytes: DISK_BYTES, clusterBytes });
      const image = await openCrashing(host);
      let left = 0;
      let failures = 0;
      host.onCall = (kind, path) => {
        if (kind !== 'write' || --left > 0) return;
        throw new FileError('ENOSPC', path, `${path}: the disk is full`);
      };
      const model = Buffer.alloc(DISK_BYTES);
      /** For more, the more often that was not enough. */
      const makeRoom = (attempt = 0): void => void (left = 1 + random.below(16 * 2 ** attempt));
      const write = async (again: boolean): Promise<void> => {
        const count = 1 + random.below(random.pick([1, 8, 150]));
        const first = random.below(DISK_BYTES / SECTOR_BYTES - count);
        const bytes = random.bytes(count * SECTOR_BYTES);
        await persist(() => image.write(first * SECTOR_BYTES, bytes), again);
        model.set(bytes, first * SECTOR_BYTES);
      };
      /** Another request may get the room that a failed one had. */
      const persist = async (act: () => Promise<void>, again: boolean): Promise<void> => {
        for (let attempt = 0; ; attempt++)
          try {
            return await act();
          } catch (cause) {
            expect(cause).toBeInstanceOf(ImageError);
            expect(cause).toMatchObject({ code: 'NO_SPACE' });
            failures++;
            makeRoom(attempt);
            if (again) await write(false);
          }
      };
      makeRoom();
      for (let i = 0; i < 250; i++) {
        if (random.below(4) > 0) await write(true);
        else await persist(() => image.flush(), true);
      }
      expect(failures).toBeGreaterThan(20);
      host.onCall = () => undefined;
      expect(model.equals(await image.read(0, DISK_BYTES))).toBe(true);
      await image.close();
      const again = await openCrashing(new CrashHost({ [PATH]: host.file(PATH).durable }));
      expect(model.equals(await again.read(0, DISK_BYTES))).toBe(true);
      await again.close();
      const task = { path: PATH, format: 'qcow2', owner: OWNER } as const;
      expect(await checkImage(host.host, task)).toMatchObject({ problemCount: 0 });
    },
  );

  it('a full host disk is an error of that write alone; the image stays whole', async () => {
    const random = new Random(12);
    for (let turn = 0; turn < 60; turn++) {
      const host = new CrashHost();
      await createQcow2(host.host.files, { path: PATH, sizeBytes: DISK_BYTES, clusterBytes: 4096 });
      const oracle = SectorOracle.empty(DISK_BYTES / SECTOR_BYTES);
      const image = await openCrashing(host);
      let left = 1 + random.below(80);
      let failures = 0;
      host.onCall = (kind, path) => {
        if (kind !== 'write' || --left > 0 || failures >= 3) return;
        failures++;
        throw new FileError('ENOSPC', path, `${path}: the disk is full`);
      };
      for (let round = 0; round < 6; round++) {
        const first = random.below(1900);
        const { bytes, done } = oracle.begin(first, 100, 'write');
        await image.write(first * SECTOR_BYTES, bytes).then(done, () => undefined);
        const acknowledged = oracle.flush();
        await image.flush().then(acknowledged, () => undefined);
      }
      host.onCall = () => undefined;
      await image.close().catch(() => undefined);
      const { problems } = await examineCut(host.file(PATH).cut(random, 0.5), oracle);
      expect(problems).toEqual([]);
    }
  });
});
