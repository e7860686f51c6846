/** Compiles native/harness.c and runs cases on this machine's processor. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  CODE_BYTES,
  FX_BYTES,
  WINDOW_BYTES,
  WINDOW_OFFSET,
  type Case,
  type Outcome,
} from './layout';

const INPUT_BYTES = CODE_BYTES + 8 + 128 + 8 + 8 + WINDOW_BYTES + FX_BYTES;
const OUTPUT_BYTES = 128 + 32 + WINDOW_BYTES + FX_BYTES;

export class NativeRunner {
  private readonly folder = mkdtempSync(join(tmpdir(), 'domus-native-'));
  private readonly program = join(this.folder, 'harness');

  constructor() {
    const source = fileURLToPath(new URL('./native/harness.c', import.meta.url));
    execFileSync('gcc', ['-O1', '-no-pie', '-o', this.program, source], { stdio: 'pipe' });
  }

  run(cases: readonly Case[]): Outcome[] {
    const input = Buffer.alloc(cases.length * INPUT_BYTES);
    cases.forEach((c, i) => {
      input.set(c.code, i * INPUT_BYTES);
      const at = i * INPUT_BYTES + CODE_BYTES;
      input.writeUInt32LE(c.code.length, at);
      input.writeUInt32LE(c.mode32 ? 1 : 0, at + 4);
      input.set(new Uint8Array(c.gpr.buffer, c.gpr.byteOffset, 128), at + 8);
      input.writeUInt32LE(c.flags, at + 136);
      input.writeUInt32LE(WINDOW_OFFSET, at + 144);
      input.set(c.memory, at + 152);
      input.set(c.fx, at + 152 + WINDOW_BYTES);
    });
    const output = execFileSync(this.program, {
      input,
      maxBuffer: cases.length * OUTPUT_BYTES + 1024,
    });
    if (output.length !== cases.length * OUTPUT_BYTES)
      throw new Error(
        `the harness answered ${output.length / OUTPUT_BYTES} of ${cases.length} cases`,
      );
    return cases.map((_, i) => {
      const at = i * OUTPUT_BYTES;
      const bytes = (offset: number, length: number) =>
        new Uint8Array(output.subarray(at + offset, at + offset + length));
      const trap = output.readUInt32LE(at + 144);
      return {
        gpr: new BigUint64Array(bytes(0, 128).buffer),
        flags: output.readUInt32LE(at + 128),
        cr2: output.readBigUInt64LE(at + 136),
        trap: trap === 0xffffffff ? -1 : trap,
        error: output.readUInt32LE(at + 148),
        taken: output.readUInt32LE(at + 152) !== 0,
        memory: bytes(160, WINDOW_BYTES),
        fx: bytes(160 + WINDOW_BYTES, FX_BYTES),
      };
    });
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
