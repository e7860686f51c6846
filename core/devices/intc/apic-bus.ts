/**
 * The system bus between I/O APIC, local APICs and message-signalled interrupts: routes a message to its targets.
 * Document: SDM 3A 11.6.2 (determining IPI destination), 11.11 (message format). Lowest priority goes to the target
 * with the lowest processor priority; equal ones take turns.
 */
import type { ApicBus } from '../../hw';

export type ApicMessage = Parameters<ApicBus['deliver']>[0];

/** A local APIC as a receiver of messages. */
export interface ApicTarget {
  /** True when a destination (8 bits, or 32 in x2APIC mode) selects this APIC. */
  matches(destination: number, logical: boolean): boolean;
  readonly processorPriority: number;
  accept(message: ApicMessage): void;
}

const MODE_LOWEST_PRIORITY = 1;

export class ApicInterconnect implements ApicBus {
  private readonly targets: ApicTarget[] = [];
  private turn = 0;

  attach(target: ApicTarget): void {
    this.targets.push(target);
  }

  deliver(message: ApicMessage): void {
    if (message.deliveryMode === MODE_LOWEST_PRIORITY) {
      this.deliverLowest(message);
      return;
    }
    for (const target of this.targets) {
      if (target.matches(message.destination, message.logical)) target.accept(message);
    }
  }

  /** Destination shorthands "all including self" and "all excluding self". */
  broadcast(message: ApicMessage, except?: ApicTarget): void {
    for (const target of this.targets) {
      if (target !== except) target.accept(message);
    }
  }

  private deliverLowest(message: ApicMessage): void {
    let chosen: ApicTarget | undefined;
    const count = this.targets.length;
    for (let i = 0; i < count; i++) {
      const target = this.targets[(this.turn + i) % count];
      if (!target.matches(message.destination, message.logical)) continue;
      if (!chosen || target.processorPriority < chosen.processorPriority) chosen = target;
    }
    this.turn = (this.turn + 1) % Math.max(count, 1);
    chosen?.accept(message);
  }
}
