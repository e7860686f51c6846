import { describe, expect, it } from 'vitest';
import { CHECKED, COMPARABLE, resultRange, rootRange, unionOf, ZERO_RANGE } from './float-range';

const NONZERO = { ...CHECKED, nonzero: true };

describe('ranges of doubles', () => {
  it('needs no check of a result of two checked numbers', () => {
    expect(resultRange('mul', CHECKED, CHECKED)).toMatchObject({ lo: -510, hi: 514 });
    expect(resultRange('add', CHECKED, CHECKED)).toMatchObject({ lo: -307, hi: 258 });
    expect(resultRange('div', CHECKED, NONZERO)).toMatchObject({ lo: -512, hi: 512 });
    expect(rootRange(CHECKED)).toMatchObject({ lo: -128, hi: 129 });
  });

  it('knows nothing of a quotient whose divisor may be zero', () => {
    expect(resultRange('div', CHECKED, CHECKED)).toBeUndefined();
  });

  it('gives up where a result may be denormal or overflow', () => {
    const small = { lo: -600, hi: -500 };
    expect(resultRange('mul', small, small)).toBeUndefined();
    expect(resultRange('add', { lo: -980, hi: 0 }, CHECKED)).toBeUndefined();
    expect(resultRange('mul', { lo: 0, hi: 512 }, { lo: 0, hi: 512 })).toBeUndefined();
    expect(resultRange('add', COMPARABLE, CHECKED)).toBeUndefined();
    expect(rootRange(COMPARABLE)).toBeUndefined();
  });

  it('holds for the ends: 2^-511 squared is the smallest normal number', () => {
    const end = { lo: -511, hi: 511 };
    expect(resultRange('mul', end, end)).toMatchObject({ lo: -1022, hi: 1022 });
    expect(2 ** -511 * 2 ** -511).toBe(2 ** -1022);
  });

  it('keeps zero zero', () => {
    expect(resultRange('mul', ZERO_RANGE, CHECKED)).toMatchObject({ lo: Infinity, hi: -Infinity });
    expect(unionOf(ZERO_RANGE, NONZERO)).toMatchObject({ lo: -255, hi: 257, nonzero: false });
  });
});
