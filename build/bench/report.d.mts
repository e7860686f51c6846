import type { Results } from './results.mjs';

/** The tables of a run. */
export function formatResults(results: Results): string;
/** A line for every kept run, oldest first. */
export function formatHistory(): string;
