/**
 * A deep copy of a device's saved state: plain objects, arrays, typed arrays and primitives, nothing shared with the
 * original. (`structuredClone` is a host global, which core does without.)
 */
export function cloneState<T>(state: T): T {
  return copy(state) as T;
}

function copy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (value instanceof Uint16Array) return new Uint16Array(value);
  if (value instanceof Uint32Array) return new Uint32Array(value);
  const clone: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) clone[key] = copy(item);
  return clone;
}
