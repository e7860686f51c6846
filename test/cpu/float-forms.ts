import { formsOf, handlerKey, usesOf, type RowUse } from '../../core/cpu/decode/forms';
import { ROWS } from '../../core/cpu/decode/maps';
import type { OpRow } from '../../core/cpu/decode/op-row';
import { OPS } from '../../core/cpu/ops';
import { makeCases, type CaseSet } from './cases';
import { compare } from './compare';
import { EngineRunner } from './engine-run';
import { EXCLUDED } from './excluded';
import type { Case, Outcome } from './layout';
import { NativeRunner } from './native-run';
import { Random } from './random';

export interface FloatForm {
  readonly map: number;
  readonly use: RowUse;
  readonly key: string;
}

/** 64-bit mode forms of the rows that `chosen` accepts, one use of each handler. */
export function floatForms(chosen: (row: OpRow) => boolean): Map<string, FloatForm[]> {
  const found = new Map<string, FloatForm[]>();
  const known = new Set<string>();
  ROWS.forEach((rows, map) => {
    for (const row of rows) {
      if (!OPS.has(row.mnemonic) || row.mnemonic in EXCLUDED || !chosen(row)) continue;
      for (const use of usesOf(row, true)) {
        const key = `${String(map)}:${row.opcode.toString(16)} ${handlerKey(use, formsOf(use))}`;
        if (known.has(key)) continue;
        known.add(key);
        const list = found.get(row.mnemonic) ?? [];
        list.push({ map, use, key });
        found.set(row.mnemonic, list);
      }
    }
  });
  return found;
}

/** Runs `count` cases of each form natively and in the engine, `prepare` having set operands and control words. */
export class FloatComparison {
  private readonly native = new NativeRunner();
  /** Interpreted; translated as soon as a block has run once, for a compiler that optimizes and for one that does not. */
  private readonly engines = [
    new EngineRunner(0),
    new EngineRunner(1),
    new EngineRunner(1, false, true),
  ];
  cases = 0;

  run(
    forms: readonly FloatForm[],
    count: number,
    seed: number,
    prepare: (c: Case, use: RowUse, random: Random) => void,
  ): string[] {
    const random = new Random(seed);
    const sets: (CaseSet & { form: FloatForm })[] = [];
    for (const form of forms) {
      for (let done = 0; done < count; done += 20) {
        const set = makeCases(form.map, form.use, 20, random);
        for (const c of set.cases) prepare(c, form.use, random);
        sets.push({ ...set, form });
      }
    }
    const expected = this.native.run(sets.flatMap((set) => set.cases));
    this.cases += expected.length;
    let at = 0;
    return sets.flatMap(({ form, encoding, cases }) =>
      cases.flatMap((c) => {
        const native = expected[at++];
        return this.engines.flatMap((engine, tier) => {
          const difference = compare(form.use, encoding, c, native, engine.run(c));
          return difference === undefined
            ? []
            : [
                `${form.key} ${tier ? 'translated' : 'interpreted'} [${Buffer.from(c.code).toString('hex')}] ${difference} ${operands(c)}`,
              ];
        });
      }),
    );
  }

  /** One case: natively, in the engine. */
  both(c: Case): [Outcome, Outcome] {
    return [this.native.run([c])[0], this.engines[0].run(c)];
  }

  dispose(): void {
    this.native.dispose();
  }
}

/** Control words and registers, for the message. */
function operands(c: Case): string {
  const view = new DataView(c.fx.buffer);
  const st = (i: number) =>
    `${view.getUint16(40 + i * 16, true).toString(16)}:${view.getBigUint64(32 + i * 16, true).toString(16)}`;
  const words = [0, 2, 4].map((at) => view.getUint16(at, true).toString(16)).join(' ');
  return `fcw fsw ftw ${words} mxcsr ${view.getUint32(24, true).toString(16)} st0 ${st(0)} st1 ${st(1)}`;
}
