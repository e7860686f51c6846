/** Writes, zeros and discards of a guest in batches with a flush behind each, the same for the same seed. */
import type { DiskImage } from '../../core/storage';
import { Random } from '../storage/random';
import { SECTOR_BYTES, type ChangeKind, type SectorOracle } from '../storage/sector-oracle';

export interface Request {
  readonly kind: ChangeKind;
  readonly first: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly done: () => void;
}

const MAX_REQUESTS = 12;
const LENGTHS = [1, 8, 64, 512];

export class Batches {
  private readonly random: Random;

  constructor(
    seed: number,
    private readonly sectors: number,
  ) {
    this.random = new Random(seed);
  }

  /** The next batch; its changes have begun. */
  next(oracle: SectorOracle): Request[] {
    const { random, sectors } = this;
    const requests: Request[] = [];
    for (let i = 1 + random.below(MAX_REQUESTS); i > 0; i--) {
      const first = random.below(sectors);
      const length = 1 + random.below(Math.min(random.pick(LENGTHS), sectors - first));
      const what = random.below(16);
      const kind = what === 0 ? 'zero' : what === 1 ? 'discard' : 'write';
      // Requests under way at the same time have no order, so none meets another.
      const meets = requests.some(
        (other) =>
          first < other.first + other.bytes.length / SECTOR_BYTES && other.first < first + length,
      );
      if (!meets) requests.push({ kind, first, ...oracle.begin(first, length, kind) });
    }
    return requests;
  }
}

/** Makes the requests of a batch all at once. */
export async function perform(image: DiskImage, batch: readonly Request[]): Promise<void> {
  await Promise.all(
    batch.map(({ kind, first, bytes }) => {
      const offset = first * SECTOR_BYTES;
      if (kind === 'write') return image.write(offset, bytes);
      if (kind === 'zero') return image.writeZeroes(offset, bytes.length);
      return image.discard(offset, bytes.length);
    }),
  );
}
