import { expect, it } from 'vitest';
import { BLOCK_SLOTS_BYTES, BlockSlots } from './block-slots';

it('gives slots that do not overlap, the smallest that fit, and takes them back', () => {
  const memory = new SharedArrayBuffer(BLOCK_SLOTS_BYTES);
  const slots = new BlockSlots(memory);
  const taken: number[] = [];
  for (let at = slots.take(4096); at !== undefined; at = slots.take(4096)) taken.push(at);
  expect(taken).toHaveLength(80);
  taken.forEach((at, i) => slots.view(at, 4096).fill(i));
  taken.forEach((at, i) => expect(slots.view(at, 4096).every((byte) => byte === i)).toBe(true));
  expect(slots.take(1)).toBeUndefined();
  for (const at of taken) slots.give(at);
  const large = Array.from({ length: 16 }, () => slots.take(1 << 20) ?? -1);
  expect(large.every((at) => at >= 1 << 20 && at + (1 << 20) <= BLOCK_SLOTS_BYTES)).toBe(true);
  expect(slots.take(1 << 20)).toBeUndefined();
  expect(slots.take(512)).toBeLessThan(1 << 20);
  expect(slots.take((1 << 20) + 512)).toBeUndefined();
});
