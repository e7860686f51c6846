/** Floating-point operands of every class and at every edge, for the tests of x87 and SSE under unusual control words. */
import type { Random } from './random';

const INTEGER_BIT = 0x8000000000000000n;
const QUIET_BIT = 0x4000000000000000n;

/** A significand: random, few bits, all ones, or next to a rounding boundary of 24 or 53 bits. */
function significand(random: Random): bigint {
  const kind = random.below(6);
  if (kind === 0) return INTEGER_BIT;
  if (kind === 1) return 0xffffffffffffffffn;
  if (kind === 2) return INTEGER_BIT | (1n << BigInt(random.below(63)));
  if (kind === 3) {
    const bits = random.pick([24n, 53n]);
    const cut = (random.u64() | INTEGER_BIT) & ~((1n << (64n - bits)) - 1n);
    return cut + (1n << (63n - bits)) + BigInt(random.below(3)) - 1n;
  }
  return random.u64() | INTEGER_BIT;
}

/** Sign and exponent, significand of an 80-bit number. */
export function extendedOperand(random: Random): { se: number; significand: bigint } {
  const sign = random.chance(50) ? 0x8000 : 0;
  const make = (exponent: number, value: bigint) => ({
    se: sign | exponent,
    significand: BigInt.asUintN(64, value),
  });
  switch (random.below(20)) {
    case 0:
      return make(0, 0n);
    case 1:
      return make(0, significand(random) >> BigInt(1 + random.below(63))); // denormal
    case 2:
      return make(0, significand(random)); // pseudo-denormal
    case 3:
      return make(0x7fff, INTEGER_BIT); // infinity
    case 4:
      return make(0x7fff, significand(random) | QUIET_BIT);
    case 5:
      return make(0x7fff, (significand(random) & ~QUIET_BIT) | 1n); // SNaN
    case 6:
      return random.chance(40)
        ? make(random.pick([0x7fff, 1, 0x3fff]), random.u64() & ~INTEGER_BIT) // pseudo-NaN, unnormal
        : make(0x3fff, INTEGER_BIT);
    case 7:
      return make(random.pick([1, 2, 3, 64, 0x7ffe, 0x7ffd, 0x7fbe]), significand(random));
    case 8: {
      // An integer and a fraction of 0, 1/2 or about that.
      const shift = random.below(64);
      const value = random.u64() | INTEGER_BIT;
      const unit = 1n << BigInt(shift);
      return make(
        0x3fff + 63 - shift,
        (value & ~(unit - 1n)) + unit / 2n + BigInt(random.below(3)) - 1n,
      );
    }
    case 9:
      return make(
        0x3fff + random.pick([14, 15, 16, 30, 31, 32, 62, 63, 64, 59, 60]),
        significand(random),
      );
    case 10:
      return make(random.below(0x7fff), significand(random));
    case 11:
      return make(
        0x3fff + random.pick([-127, -126, -125, -150, -149, 127, 128]),
        significand(random),
      );
    case 12:
      return make(
        0x3fff + random.pick([-1023, -1022, -1021, -1075, -1074, 1023, 1024]),
        significand(random),
      );
    default:
      return make(0x3fff - 3 + random.below(7), significand(random));
  }
}

/** Bits of a format of `exponentBits` and `fractionBits`. */
function ieeeOperand(random: Random, exponentBits: number, fractionBits: number): bigint {
  const all = (1 << exponentBits) - 1;
  const bias = all >> 1;
  const f = BigInt(fractionBits);
  const mask = (1n << f) - 1n;
  const pack = (exponent: number, fraction: bigint) =>
    (random.chance(50) ? 1n << BigInt(exponentBits + fractionBits) : 0n) |
    (BigInt(Math.max(0, Math.min(all, exponent))) << f) |
    (fraction & mask);
  const fraction = significand(random) >> (63n - f);
  switch (random.below(16)) {
    case 0:
      return pack(0, 0n);
    case 1:
      return pack(0, fraction >> BigInt(random.below(fractionBits)));
    case 2:
      return pack(all, 0n);
    case 3:
      return pack(all, fraction | (1n << (f - 1n)));
    case 4:
      return pack(all, (fraction & ~(1n << (f - 1n))) | 1n);
    case 5:
      return pack(random.pick([1, 2, 3, all - 1, all - 2]), fraction);
    case 6:
      return pack(random.below(all), fraction);
    case 7: {
      const shift = BigInt(random.below(fractionBits));
      return pack(
        bias + fractionBits - Number(shift),
        (fraction & ~((1n << shift) - 1n)) | ((1n << shift) >> 1n),
      );
    }
    case 8:
      return pack(bias + random.pick([30, 31, 32, 62, 63, 64]), random.chance(50) ? 0n : fraction);
    case 9:
      return pack(bias + random.pick([-127, -126, -149, -150, 127, 128]), fraction);
    case 10:
      return pack(Math.floor(bias / 2) + random.below(4), fraction); // squares are tiny
    case 11:
      return pack(bias + Math.floor(bias / 2) + random.below(4), fraction); // squares are huge
    default:
      return pack(bias - 3 + random.below(7), fraction);
  }
}

export const singleOperand = (random: Random): bigint => ieeeOperand(random, 8, 23);
export const doubleOperand = (random: Random): bigint => ieeeOperand(random, 11, 52);

/** 64 bits of vector register or memory. */
export function vectorHalf(random: Random, bytes: 4 | 8): bigint {
  return bytes === 8
    ? doubleOperand(random)
    : singleOperand(random) | (singleOperand(random) << 32n);
}
