/** A small deterministic generator (xorshift128+ in 32-bit halves is not needed: splitmix32 is even enough for operands). */
export class Random {
  constructor(private seed: number) {}

  /** 0 .. 2^32 - 1. */
  u32(): number {
    this.seed = (this.seed + 0x9e3779b9) | 0;
    let z = this.seed;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  }

  /** 0 .. n - 1. */
  below(n: number): number {
    return this.u32() % n;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  /** A 64-bit operand: often an edge of some operand size. */
  operand(): bigint {
    if (this.chance(45)) return this.u64();
    const edge = this.pick([
      0n,
      1n,
      2n,
      0x7fn,
      0x80n,
      0xffn,
      0x7fffn,
      0x8000n,
      0xffffn,
      0x7fffffffn,
      0x80000000n,
      0xffffffffn,
      0x7fffffffffffffffn,
      0x8000000000000000n,
      0xffffffffffffffffn,
      0x0fn,
      0x10n,
    ]);
    const value = edge + BigInt(this.below(3)) - 1n;
    return BigInt.asUintN(64, this.chance(30) ? value | (this.u64() << 32n) : value);
  }
}
