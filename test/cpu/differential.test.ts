/**
 * Every instruction form, run natively on this machine's processor and in the engine over random and edge operands:
 * registers, flags, memory, vector state and faults must agree.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { formsOf, handlerKey, usesOf, type RowUse } from '../../core/cpu/decode/forms';
import { ROWS } from '../../core/cpu/decode/maps';
import type { OpRow } from '../../core/cpu/decode/op-row';
import { OPS } from '../../core/cpu/ops';
import { makeCases } from './cases';
import { compare } from './compare';
import { EngineRunner } from './engine-run';
import { EXCLUDED, FORM_EXCLUSIONS } from './excluded';
import { NativeRunner } from './native-run';
import { Random } from './random';

const CASES_PER_FORM = Number(process.env.DOMUS_CASES ?? 200);
const CASES_PER_ENCODING = 20;
const SEED = Number(process.env.DOMUS_SEED ?? 1);
const ONLY = process.env.DOMUS_ONLY;

interface Form {
  readonly map: number;
  readonly use: RowUse;
  readonly key: string;
}

/** Each handler once per mode, with one row that leads to it. */
function allForms(): Form[] {
  const forms = new Map<string, Form>();
  ROWS.forEach((rows: readonly OpRow[], map: number) => {
    for (const row of rows) {
      if (
        !OPS.has(row.mnemonic) ||
        row.mnemonic in EXCLUDED ||
        (ONLY !== undefined && !new RegExp(`^(${ONLY})$`).test(row.mnemonic))
      )
        continue;
      for (const long of [true, false]) {
        for (const use of usesOf(row, long)) {
          // Near branches with 16-bit operands leave the harness's code.
          if (row.f64 === true && use.operandBytes === 2) continue;
          if (FORM_EXCLUSIONS.some((x) => x.mnemonic === row.mnemonic && x.when(use.operandBytes)))
            continue;
          const key = `${long ? '64' : '32'} ${String(map)}:${row.opcode.toString(16)}${row.reg === undefined ? '' : `/${String(row.reg)}`}${row.p === undefined ? '' : `.${String(row.p)}`} ${handlerKey(use, formsOf(use))}${use.row.vex ? ' vex' : ''}`;
          if (!forms.has(key)) forms.set(key, { map, use, key });
        }
      }
    }
  });
  return [...forms.values()];
}

const forms = allForms();
const native = new NativeRunner();
/** All tiers; the translator takes a block over as soon as it has run once. Every so many cases are run by each. */
const engines = [
  { tier: 'interpreted', runner: new EngineRunner(0), every: 1 },
  { tier: 'translated', runner: new EngineRunner(1), every: 1 },
  {
    tier: 'translated without optimizations',
    runner: new EngineRunner(1, false, true),
    every: 2,
  },
  { tier: 'interpreted with tiny blocks and TLB', runner: new EngineRunner(0, true), every: 10 },
  { tier: 'translated with tiny blocks and TLB', runner: new EngineRunner(1, true), every: 5 },
];
afterAll(() => {
  native.dispose();
  console.log(
    `differential: ${String(forms.length)} instruction forms, ${String(total)} cases, ${String(engines[1].runner.vcpu.translator.regions)} regions`,
  );
});
let total = 0;

const byMnemonic = new Map<string, Form[]>();
for (const form of forms) {
  const list = byMnemonic.get(form.use.row.mnemonic) ?? [];
  list.push(form);
  byMnemonic.set(form.use.row.mnemonic, list);
}

describe('the engine agrees with the processor', () => {
  for (const [mnemonic, list] of byMnemonic) {
    it(mnemonic, () => {
      const mismatches: string[] = [];
      const sets = list.flatMap((form, number) => {
        const random = new Random(SEED * 1_000_003 + hash(form.key) + number);
        return Array.from({ length: Math.ceil(CASES_PER_FORM / CASES_PER_ENCODING) }, () => ({
          form,
          ...makeCases(form.map, form.use, CASES_PER_ENCODING, random),
        }));
      });
      const expected = native.run(sets.flatMap((set) => set.cases));
      let at = 0;
      for (const { form, encoding, cases } of sets) {
        for (const c of cases) {
          const native = expected[at++];
          for (const { tier, runner, every } of engines) {
            if (at % every !== 0) continue;
            const difference = compare(form.use, encoding, c, native, runner.run(c));
            if (difference)
              mismatches.push(
                `${form.key} ${tier} [${Buffer.from(c.code).toString('hex')}] ${difference}`,
              );
          }
        }
      }
      total += expected.length;
      expect(mismatches.slice(0, 12), `${String(mismatches.length)} mismatches`).toEqual([]);
    });
  }
});

function hash(text: string): number {
  let value = 0;
  for (const c of text) value = (Math.imul(value, 31) + c.charCodeAt(0)) | 0;
  return value >>> 0;
}
