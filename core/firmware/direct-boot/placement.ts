/**
 * Where a kernel goes: where it was linked, or at random (KASLR), as its own decompressor would choose.
 * Spec: arch/x86/boot/compressed/kaslr.c of Linux 6.1, choose_random_location.
 */
/** What the setup header and the machine say of the place. */
export interface PlacementLimits {
  /** GPA where the kernel was linked to be loaded (pref_address). */
  readonly preferred: number;
  /** Bytes that it needs from there on (init_size). */
  readonly bytes: number;
  /** Alignment of its place in bytes; 0 when it is to stay where it was linked. */
  readonly alignment: number;
  /** GPA of the end of what it may use. */
  readonly end: number;
}

/** Distances in bytes from where the kernel was linked. */
export interface Placement {
  readonly physical: number;
  /** The same as the physical one for i386. */
  readonly virtual: number;
}

/** KERNEL_IMAGE_SIZE: how far the kernel's own mapping reaches. */
const IMAGE_SPACE_X86_64 = 1024 << 20;
const IMAGE_SPACE_I386 = 512 << 20;

/** A multiple of `alignment` that leaves `bytes` between it and `space`; 0 when there is no choice. */
function distance(
  { preferred, bytes, alignment }: PlacementLimits,
  space: number,
  random: () => bigint,
): number {
  const slots = Math.floor((space - preferred - bytes) / alignment) + 1;
  return slots > 1 ? Number(BigInt.asUintN(64, random()) % BigInt(slots)) * alignment : 0;
}

/** A place at random for a kernel that can be moved, `long` for x86-64; `random` gives 64 bits. */
export function choosePlacement(
  long: boolean,
  limits: PlacementLimits,
  random: () => bigint,
): Placement {
  if (long)
    return {
      physical: distance(limits, limits.end, random),
      virtual: distance(limits, IMAGE_SPACE_X86_64, random),
    };
  const both = distance(limits, Math.min(limits.end, IMAGE_SPACE_I386), random);
  return { physical: both, virtual: both };
}
