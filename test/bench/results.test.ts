import { describe, expect, it } from 'vitest';
import { formatResults } from '../../build/bench/report.mjs';
import { isDisturbed, Results, type Sample } from '../../build/bench/results.mjs';

const sample = (
  row: string,
  peer: string,
  seconds: number,
  more: Partial<Sample> = {},
): Sample => ({
  row,
  peer,
  bits: 64,
  seconds,
  wallSeconds: seconds,
  threadSeconds: seconds,
  cpuSeconds: seconds,
  queuedSeconds: 0,
  sum: row,
  ...more,
});

const resultsOf = (...samples: Sample[]): Results => {
  const results = new Results(['domus', 'qemu']);
  for (const one of samples) results.add(one);
  results.checkSums();
  return results;
};

describe('figures of a benchmark run', () => {
  it('compares the best times and takes the geometric mean over the rows that both have', () => {
    const results = resultsOf(
      sample('a', 'domus', 3),
      sample('a', 'domus', 1),
      sample('a', 'qemu', 2),
      sample('b', 'domus', 1),
      sample('b', 'qemu', 8),
      sample('c', 'qemu', 100),
      sample('boot', 'domus', 20),
      sample('boot', 'qemu', 10),
    );
    expect(results.mean(64, ['a', 'b', 'c', 'boot'], 'qemu')).toBeCloseTo(4);
    expect(formatResults(results)).toMatch(/^a .* 2\.00x$/m);
    expect(formatResults(results)).toMatch(/^b .* 8\.00x$/m);
    expect(formatResults(results)).toMatch(/^slower than qemu: boot$/m);
    expect(results.faults).toEqual([]);
  });

  it('leaves disturbed samples out when there are others', () => {
    const disturbed = sample('a', 'domus', 1, { disturbed: true });
    const results = resultsOf(disturbed, sample('a', 'domus', 2), sample('a', 'qemu', 4));
    expect(results.mean(64, ['a'], 'qemu')).toBeCloseTo(2);
    expect(formatResults(results)).not.toContain('something else');
    expect(formatResults(resultsOf(disturbed, sample('a', 'qemu', 4)))).toContain('something else');
    expect(isDisturbed({ wallSeconds: 1, queuedSeconds: 0.5 })).toBe(true);
    expect(isDisturbed({ wallSeconds: 1, queuedSeconds: 0.01 })).toBe(false);
  });

  it('finds peers that computed something else and clocks that lie', () => {
    const wrong = resultsOf(sample('a', 'domus', 1, { sum: '1' }), sample('a', 'qemu', 1));
    expect(wrong.faults).toEqual(['64-bit a: different results: domus 1, qemu a']);
    const early = resultsOf(sample('a', 'domus', 1, { wallSeconds: 5 }));
    expect(early.faults).toEqual(['64-bit a: domus says 1.00 s, the host 5.00 s']);
  });
});
