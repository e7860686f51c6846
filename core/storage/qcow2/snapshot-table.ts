/** The table of internal snapshots, qcow2.rst "Snapshots". Fields that are not known here are kept as they are. */
import { decodeUtf8, encodeUtf8, readU64, roundUp, viewOf, writeU64 } from '../bytes';
import { badImage, type ImageFile } from '../image-file';
import { checkTable, MAX_L1_BYTES, MAX_SNAPSHOT_TABLE_BYTES, type Qcow2Header } from './header';

const ENTRY_BYTES = 40;
/** QEMU's limit on what may follow the fixed fields. */
const MAX_EXTRA_BYTES = 1024;
const READ_BYTES = 64 << 10;
/** Extra data of version 3: 64-bit size of the VM state, size of the disk. */
const EXTRA_VM_STATE = 0;
const EXTRA_DISK_SIZE = 8;

export interface Snapshot {
  readonly id: string;
  readonly name: string;
  /** Seconds since 1970. */
  readonly takenAt: number;
  readonly takenAtNs: number;
  /** Of a saved machine, bytes behind the disk's end in the snapshot's clusters; 0 for a disk alone. */
  readonly vmStateBytes: number;
  readonly vmClockNs: number;
  /** Size of the disk then; undefined where the image does not say. */
  readonly sizeBytes: number | undefined;
  readonly l1Offset: number;
  readonly l1Entries: number;
  /** As in the file: the low word of `vmStateBytes`, and everything behind the fixed fields. */
  readonly vmState32: number;
  readonly extra: Uint8Array<ArrayBuffer>;
  /** The clock as it is in the file. */
  readonly vmClock: readonly [high: number, low: number];
}

/** Reads `length` bytes at a place that moves on. */
class Reader {
  private buffer = new Uint8Array(0);
  private start = 0;

  constructor(
    private readonly file: ImageFile,
    private at: number,
  ) {}

  async take(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const have = this.buffer.length - this.start;
    if (have < length) {
      this.at += this.start;
      this.start = 0;
      this.buffer = await this.file.read(this.at, Math.max(READ_BYTES, length));
    }
    const bytes = this.buffer.slice(this.start, this.start + length);
    this.start += length;
    return bytes;
  }
}

/** Reads the snapshots of an image and the length of their table in bytes. */
export async function readSnapshots(
  file: ImageFile,
  header: Qcow2Header,
): Promise<{ snapshots: Snapshot[]; tableBytes: number }> {
  const { path } = file;
  const reader = new Reader(file, header.snapshotOffset);
  const snapshots: Snapshot[] = [];
  let tableBytes = 0;
  for (let i = 0; i < header.snapshotCount; i++) {
    const fixed = viewOf(await reader.take(ENTRY_BYTES));
    const idBytes = fixed.getUint16(12);
    const nameBytes = fixed.getUint16(14);
    const extraBytes = fixed.getUint32(36);
    if (extraBytes > MAX_EXTRA_BYTES)
      throw badImage(path, `snapshot ${i + 1} has ${extraBytes} bytes of extra data, too many`);
    const length = roundUp(ENTRY_BYTES + extraBytes + idBytes + nameBytes, 8);
    const rest = await reader.take(length - ENTRY_BYTES);
    tableBytes += length;
    if (
      tableBytes > MAX_SNAPSHOT_TABLE_BYTES ||
      header.snapshotOffset + tableBytes > roundUp(file.end, header.clusterBytes)
    )
      throw badImage(path, 'its snapshot table is damaged');
    const extra = rest.slice(0, extraBytes);
    const extraView = viewOf(extra);
    const l1Offset = readU64(fixed, 0);
    const l1Entries = fixed.getUint32(8);
    if (l1Entries * 8 > MAX_L1_BYTES)
      throw badImage(path, `the L1 table of snapshot ${i + 1} is larger than 32 MiB`);
    checkTable(path, `L1 table of snapshot ${i + 1}`, header, file.end, l1Offset, l1Entries * 8);
    snapshots.push({
      id: decodeUtf8(rest.subarray(extraBytes, extraBytes + idBytes)),
      name: decodeUtf8(rest.subarray(extraBytes + idBytes, extraBytes + idBytes + nameBytes)),
      takenAt: fixed.getUint32(16),
      takenAtNs: fixed.getUint32(20),
      vmStateBytes:
        extraBytes >= EXTRA_VM_STATE + 8 ? readU64(extraView, EXTRA_VM_STATE) : fixed.getUint32(32),
      vmClockNs: readU64(fixed, 24),
      sizeBytes:
        extraBytes >= EXTRA_DISK_SIZE + 8 ? readU64(extraView, EXTRA_DISK_SIZE) : undefined,
      l1Offset,
      l1Entries,
      vmState32: fixed.getUint32(32),
      extra,
      vmClock: [fixed.getUint32(24), fixed.getUint32(28)],
    });
  }
  return { snapshots, tableBytes };
}

/** The extra data of a new snapshot of a disk of `sizeBytes` without VM state. */
export function snapshotExtra(sizeBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(16);
  writeU64(viewOf(bytes), EXTRA_DISK_SIZE, sizeBytes);
  return bytes;
}

export function encodeSnapshots(snapshots: readonly Snapshot[]): Uint8Array<ArrayBuffer> {
  const parts = snapshots.map((snapshot) => {
    const id = encodeUtf8(snapshot.id);
    const name = encodeUtf8(snapshot.name);
    const { extra } = snapshot;
    const bytes = new Uint8Array(roundUp(ENTRY_BYTES + extra.length + id.length + name.length, 8));
    const view = viewOf(bytes);
    writeU64(view, 0, snapshot.l1Offset);
    view.setUint32(8, snapshot.l1Entries);
    view.setUint16(12, id.length);
    view.setUint16(14, name.length);
    view.setUint32(16, snapshot.takenAt);
    view.setUint32(20, snapshot.takenAtNs);
    view.setUint32(24, snapshot.vmClock[0]);
    view.setUint32(28, snapshot.vmClock[1]);
    view.setUint32(32, snapshot.vmState32);
    view.setUint32(36, extra.length);
    bytes.set(extra, ENTRY_BYTES);
    bytes.set(id, ENTRY_BYTES + extra.length);
    bytes.set(name, ENTRY_BYTES + extra.length + id.length);
    return bytes;
  });
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
