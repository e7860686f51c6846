/** The bars of the reliability plan: one line each, our figure beside the anchor's, and a failure when it is missed. */
import { appendFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'vitest';

const REPORT = resolve(import.meta.dirname, '../../dist/reports/hard.txt');

export interface BarResult {
  /** Its name in the plan: `D1`. */
  readonly bar: string;
  readonly ours: string;
  /** What the plan has measured or found elsewhere. */
  readonly anchor: string;
  /** What is not as the bar wants it, as sentences; empty when it is met. */
  readonly misses: readonly string[];
}

/** Prints the line of a bar and fails when it is missed. */
export function judge({ bar, ours, anchor, misses }: BarResult): void {
  const line = `${bar}: ${ours} (${anchor})${misses.length === 0 ? '' : ' MISSED'}\n`;
  process.stdout.write(line);
  appendFileSync(REPORT, line);
  expect(misses).toEqual([]);
}

/** `value` with thousands apart. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** Seconds since `begin` (performance.now()), as text. */
export function secondsSince(begin: number): string {
  return `${((performance.now() - begin) / 1000).toFixed(0)} s`;
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
