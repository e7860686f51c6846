/**
 * SMART data of an ATA disk: a small attribute table, thresholds, status.
 * Document: T13/1532D ATA/ATAPI-7 Volume 1, clause 6.51; attribute layout of SFF-8035i.
 * Missing: logs and self-tests (refused, and not announced in IDENTIFY DEVICE).
 */
export const SMART_READ_DATA = 0xd0;
export const SMART_READ_THRESHOLDS = 0xd1;
export const SMART_AUTOSAVE = 0xd2;
export const SMART_ENABLE = 0xd8;
export const SMART_DISABLE = 0xd9;
export const SMART_RETURN_STATUS = 0xda;

/** LBA mid and high of every SMART command. */
export const SMART_LBA_MID = 0x4f;
export const SMART_LBA_HIGH = 0xc2;

interface Attribute {
  readonly id: number;
  /** Bit 0 pre-failure, bit 1 collected online. */
  readonly flags: number;
  readonly threshold: number;
}

/** Errors the image gave, seen as what a disk counts. */
const ATTRIBUTES: readonly Attribute[] = [
  { id: 1, flags: 0x0003, threshold: 6 }, // raw read error rate
  { id: 5, flags: 0x0003, threshold: 36 }, // reallocated sectors
  { id: 12, flags: 0x0002, threshold: 20 }, // power cycles
  { id: 197, flags: 0x0002, threshold: 0 }, // pending sectors
];
const HEALTHY = 100;

function checksum(page: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  let sum = 0;
  for (let i = 0; i < 511; i++) sum += page[i];
  page[511] = -sum;
  return page;
}

/** SMART READ DATA. `readErrors` is what the image refused so far. */
export function smartData(readErrors: number): Uint8Array<ArrayBuffer> {
  const page = new Uint8Array(512);
  page[0] = 0x10;
  ATTRIBUTES.forEach((attribute, i) => {
    const at = 2 + 12 * i;
    const raw = attribute.id === 12 ? 1 : attribute.id === 5 ? 0 : Math.min(readErrors, 0xffff);
    page.set([attribute.id, attribute.flags, 0, HEALTHY, HEALTHY, raw, raw >> 8], at);
  });
  page[362] = 0x02; // off-line collection: completed without error
  page[368] = 0x03; // capability: saves before power modes, autosave
  return checksum(page);
}

export function smartThresholds(): Uint8Array<ArrayBuffer> {
  const page = new Uint8Array(512);
  page[0] = 0x10;
  ATTRIBUTES.forEach((attribute, i) => page.set([attribute.id, attribute.threshold], 2 + 12 * i));
  return checksum(page);
}
