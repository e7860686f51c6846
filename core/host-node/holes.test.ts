import { mkdtempSync, rmSync, statSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { nodeFiles } from './files';

const directory = mkdtempSync(join(tmpdir(), 'domus-holes-'));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('holes', () => {
  it('give room back to the host and read as zeros', async () => {
    const path = join(directory, 'f');
    const file = await nodeFiles.open(path, 'create');
    await file.write(0, new Uint8Array(1 << 20).fill(7));
    await file.sync();
    const before = statSync(path).blocks;
    const made = await file.punchHole?.(4096, (1 << 20) - 8192);
    await file.sync();
    await file.close();
    if (process.platform !== 'linux') return expect(made).toBe(false);
    const bytes = readFileSync(path);
    expect(bytes.length).toBe(1 << 20);
    expect([bytes[4095], bytes[1 << 19], bytes[(1 << 20) - 4096]]).toEqual([7, made ? 0 : 7, 7]);
    if (made) expect(statSync(path).blocks).toBeLessThan(before / 2);
  });
});
