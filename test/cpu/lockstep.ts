/**
 * Two vcpus side by side: the leader runs as it likes, the follower interprets the same program one instruction at a
 * time to where the leader stands, takes interrupts where the leader took them, and must be found in the same state.
 */
import type { Vcpu } from '../../core/hw';
import type { Program } from './assemble';
import { differences, Rig, type RigConfig, type Snapshot } from './rig';

/** A follower's configuration: each instruction is a block of its own, nothing is translated. */
export const FOLLOWER: Pick<RigConfig, 'translateAfter' | 'blockInstructions'> = {
  translateAfter: 0,
  blockInstructions: 1,
};

/** A vcpu and its memory. */
export interface Side {
  readonly vcpu: Vcpu;
  snapshot(): Snapshot;
  /** Numbers of pages written so far. */
  writtenPages(): number[];
  page(number: number): Uint8Array;
  /** Where the table entries lie in which only the one may have a bit for `accessed`. */
  mayHoldTables(page: number): boolean;
}

export interface Leader extends Side {
  /** Interrupts taken: vector, and instructions before it. */
  readonly taken: readonly { readonly vector: number; readonly at: number }[];
}

export interface Follower extends Side {
  /** Vectors to take at once. */
  readonly interrupts: number[];
  forgetInhibition(): void;
}

export interface Divergence {
  /** Instructions after which both were alike, and at which they were not any more. */
  readonly after: number;
  readonly at: number;
  /** RIPs that the follower went through in between, the last of them first. */
  readonly trail: readonly bigint[];
  readonly differences: readonly string[];
}

/** Instructions of a trail that are told, unless said otherwise. */
const TRAIL = 40;

/** The translator walks to code that has not run yet, as processors do that run ahead (SDM 3A 4.8). */
const ACCESSED = 0x20;

/** Two rigs with a program. */
export class Lockstep {
  private pair: Pair;

  constructor(
    readonly leader: Rig,
    readonly follower: Rig = new Rig(FOLLOWER),
  ) {
    this.pair = new Pair(leader, follower);
  }

  load(...program: Parameters<Rig['load']>): void {
    this.leader.load(...program);
    this.follower.load(...program);
    this.pair = new Pair(this.leader, this.follower);
  }

  /** Brings the follower to the leader. Undefined when they agree. */
  follow(): Divergence | undefined {
    return this.pair.follow(true);
  }
}

export class Pair {
  private agreed: number;
  private seen = 0;

  constructor(
    private readonly leader: Leader,
    private readonly follower: Follower,
    private readonly trail = TRAIL,
  ) {
    this.agreed = leader.vcpu.instructions;
  }

  /** Brings the follower to the leader. Undefined when they agree. */
  follow(withMemory: boolean): Divergence | undefined {
    const { leader, follower } = this;
    const trail: bigint[] = [];
    const to = (instructions: number): void => {
      while (follower.vcpu.instructions < instructions) {
        const left = instructions - follower.vcpu.instructions;
        // One at a time only where a trail may be wanted.
        if (left > this.trail) follower.vcpu.run(left - this.trail - 1);
        else {
          trail.unshift(follower.vcpu.registers.rip);
          if (follower.vcpu.run(0) === 'halted') break;
        }
      }
    };
    for (const { vector, at } of leader.taken.slice(this.seen)) {
      to(at);
      follower.forgetInhibition();
      follower.interrupts.push(vector);
    }
    this.seen = leader.taken.length;
    const { instructions } = leader.vcpu;
    to(instructions);
    const found = differences(follower.snapshot(), leader.snapshot());
    if (found.length === 0 && withMemory) found.push(...this.memory());
    const after = this.agreed;
    this.agreed = instructions;
    if (found.length === 0) return undefined;
    return { after, at: instructions, trail: trail.slice(0, this.trail), differences: found };
  }

  private memory(): string[] {
    const { leader, follower } = this;
    const found: string[] = [];
    const pages = new Set([...leader.writtenPages(), ...follower.writtenPages()]);
    for (const page of pages) {
      const [expected, actual] = [follower.page(page), leader.page(page)];
      if (Buffer.compare(expected, actual) === 0) continue;
      const at = expected.findIndex(
        (byte, i) =>
          byte !== actual[i] && !(leader.mayHoldTables(page) && (byte ^ actual[i]) === ACCESSED),
      );
      if (at < 0) continue;
      const hex = (value: number): string => value.toString(16);
      found.push(`[${hex(page * 4096 + at)}] ${hex(actual[at])} instead of ${hex(expected[at])}`);
    }
    return found;
  }
}

/** A divergence in words; addresses as offsets in the program. */
export function explain(d: Divergence, program: Program): string {
  const where = d.trail.map((rip) => {
    const offset = Number(rip) - program.at;
    const bytes = program.bytes.subarray(offset, offset + 15);
    return `  ${rip.toString(16)}: ${Buffer.from(bytes).toString('hex')}`;
  });
  return [
    `alike after ${String(d.after)} instructions, not after ${String(d.at)}:`,
    ...d.differences.map((text) => `  ${text}`),
    'the last instructions, latest first:',
    ...where,
  ].join('\n');
}
