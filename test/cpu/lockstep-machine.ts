/**
 * A whole machine in lockstep: its processor leads; the follower is a processor alone, which reads from devices what the
 * leader read. Time is made of instructions, so that every run is the same.
 */
import { nodeWasm } from '../../core/host-node';
import { DIRTY_MAP_BASE, PHYS_MAP_BASE, RAM_BASE, WasmVcpu } from '../../core/cpu';
import * as L from '../../core/cpu/layout';
import { Machine, type MachineConfig } from '../../core/machine';
import { FOLLOWER, Pair, type Divergence, type Follower, type Leader, type Side } from './lockstep';
import { snapshotOf } from './rig';

const PAGE = 4096;
const PAGES = 0x100000;
const MIB = 1 << 20;
/** Instructions between comparisons of registers, and comparisons of registers between those of memory. */
const CHUNK = 4000;
const CHUNKS_TO_MEMORY = 2000;
const TRAIL = 12;
/** Guest time: so much for each instruction, and for each slice. Loops that wait then are short. */
const INSTRUCTION_MS = 10e-6;
const SLICE_MS = 0.02;

/** What a device or the clock answered, or what it did to memory by itself. */
interface Event {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly result?: unknown;
}

type Methods = Record<string, (...args: unknown[]) => unknown>;

class Recorder {
  events: Event[] = [];
  private next = 0;
  private depth = 0;
  /** The first thing that the follower did otherwise. */
  strayed: string | undefined;

  /** Replaces methods by ones that note what they gave. */
  record(target: object, names: readonly string[]): void {
    const methods = target as Methods;
    for (const name of names) {
      const original: Methods[string] = methods[name].bind(target);
      methods[name] = (...args) => {
        this.depth++;
        const result = original(...args);
        this.depth--;
        if (this.depth === 0) this.events.push({ name, args, result });
        return result;
      };
    }
  }

  /** Methods that give what was noted. */
  replay<T extends object>(names: readonly string[], apply: (event: Event) => void): T {
    const methods: Methods = {};
    for (const name of names) {
      methods[name] = (...args) => {
        this.drain(apply);
        const event = this.events[this.next++] as Event | undefined;
        const same =
          event?.name === name && args.every((value, i) => String(value) === String(event.args[i]));
        if (!same)
          this.strayed ??= `${name}(${args.join(', ')}) instead of ${event?.name ?? 'nothing'}(${event?.args.join(', ') ?? ''})`;
        return event?.result;
      };
    }
    return methods as T;
  }

  /** Applies what devices did to memory, up to the next thing that the processor asks for. */
  drain(apply: (event: Event) => void): void {
    for (; this.next < this.events.length; this.next++) {
      const event = this.events[this.next];
      if (event.name !== 'dma' && event.name !== 'map') break;
      apply(event);
    }
    if (this.next < this.events.length) return;
    this.events = [];
    this.next = 0;
  }
}

const BUS = ['readPort', 'writePort', 'readMmio', 'writeMmio'] as const;
const APIC = ['readMsr', 'writeMsr', 'readApicBase', 'writeApicBase'] as const;
const CLOCKS = ['readTsc', 'random'] as const;

/** Memory of a domain, and its vcpu 0. */
abstract class DomainSide implements Side {
  abstract readonly vcpu: WasmVcpu;
  readonly ram: Uint8Array;
  readonly state: DataView;
  readonly dirty: Uint8Array;

  constructor(
    readonly buffer: ArrayBufferLike,
    readonly ramBytes: number,
  ) {
    this.ram = new Uint8Array(buffer, RAM_BASE, ramBytes);
    this.state = new DataView(buffer, L.VCPU_BASE, L.VCPU_STRIDE);
    this.dirty = new Uint8Array(buffer, DIRTY_MAP_BASE, ramBytes / PAGE);
  }

  snapshot() {
    return snapshotOf(this.vcpu, this.state);
  }

  writtenPages(): number[] {
    const pages: number[] = [];
    for (let page = this.dirty.indexOf(1); page >= 0; page = this.dirty.indexOf(1, page + 1))
      pages.push(page);
    return pages;
  }

  page(number: number): Uint8Array {
    return this.ram.subarray(number * PAGE, (number + 1) * PAGE);
  }

  /** Where a guest's tables lie is its own affair. */
  mayHoldTables(): boolean {
    return true;
  }
}

class MachineLeader extends DomainSide implements Leader {
  readonly taken: { vector: number; at: number }[] = [];

  constructor(
    readonly machine: Machine,
    readonly vcpu: WasmVcpu,
    ramBytes: number,
  ) {
    super(machine.memory.buffer, ramBytes);
  }
}

class FollowingVcpu extends DomainSide implements Follower {
  readonly interrupts: number[] = [];
  readonly vcpu: WasmVcpu;

  constructor(
    private readonly leader: MachineLeader,
    private readonly recorder: Recorder,
  ) {
    const memory = nodeWasm.createMemory(leader.buffer.byteLength / 65536);
    super(memory.buffer, leader.ramBytes);
    const apply = (event: Event): void => this.apply(event);
    const { interrupts } = this;
    this.vcpu = new WasmVcpu({
      index: 0,
      memory,
      wasm: nodeWasm,
      bus: recorder.replay(BUS, apply),
      interrupts: {
        ...recorder.replay<Pick<WasmInterrupts, (typeof APIC)[number]>>(APIC, apply),
        hasPending: () => interrupts.length > 0,
        acknowledge: () => interrupts.shift() ?? -1,
        taskPriority: 0,
      },
      ...recorder.replay<{ readTsc(): bigint; random(): bigint }>(CLOCKS, apply),
      vcpus: 1,
      ...FOLLOWER,
    });
    new Uint8Array(memory.buffer, RAM_BASE).set(new Uint8Array(leader.buffer, RAM_BASE));
    this.copyMap();
    this.vcpu.restore(leader.vcpu.save());
  }

  forgetInhibition(): void {
    this.state.setUint32(L.S_INHIBIT, 0, true);
  }

  drain(): void {
    this.recorder.drain((event) => this.apply(event));
  }

  private copyMap(): void {
    const map = (buffer: ArrayBufferLike) => new Uint32Array(buffer, PHYS_MAP_BASE, PAGES);
    map(this.buffer).set(map(this.leader.buffer));
  }

  private apply({ name, args }: Event): void {
    if (name === 'map') {
      this.copyMap();
      this.vcpu.flushMappings();
      return;
    }
    const [gpa, bytes] = args as [number, Uint8Array];
    this.ram.set(bytes, gpa);
    this.vcpu.invalidateCode(gpa, bytes.length);
  }
}

type WasmInterrupts = ConstructorParameters<typeof WasmVcpu>[0]['interrupts'] & {
  readMsr(index: number): bigint | undefined;
  writeMsr(index: number, value: bigint): boolean;
};

export class LockstepMachine {
  readonly machine: Machine;
  readonly leader: MachineLeader;
  private readonly follower: FollowingVcpu;
  private readonly recorder = new Recorder();
  private readonly pair: Pair;
  private ms = 0;
  private chunks = 0;
  private found: Divergence | undefined;

  constructor(config: MachineConfig) {
    const time = { monotonicMs: () => this.ms, wallMs: () => 1_700_000_000_000 + this.ms };
    let seed = 1n;
    const random = (): bigint =>
      BigInt.asUintN(64, (seed = seed * 6364136223846793005n + 1442695040888963407n));
    this.machine = new Machine({ wasm: nodeWasm, time, random }, config);
    const { machine, recorder } = this;
    const vcpu = machine.vcpu as WasmVcpu;
    this.leader = new MachineLeader(machine, vcpu, config.memoryMiB * MIB);
    this.follower = new FollowingVcpu(this.leader, recorder);
    this.pair = new Pair(this.leader, this.follower, TRAIL);
    this.observe(vcpu);
    this.cutRuns(vcpu);
    machine.start();
  }

  private observe(vcpu: WasmVcpu): void {
    const { machine, recorder, leader } = this;
    recorder.record(machine.space, BUS);
    recorder.record(machine.pc.localApic, APIC);
    // The vcpu asks its configuration each time.
    recorder.record((vcpu as unknown as { config: object }).config, CLOCKS);
    const apic = machine.pc.localApic;
    const acknowledge = apic.acknowledge.bind(apic);
    apic.acknowledge = () => {
      const vector = acknowledge();
      if (vector >= 0) leader.taken.push({ vector, at: vcpu.instructions });
      return vector;
    };
    machine.space.observe({
      mapChanged: () => recorder.events.push({ name: 'map', args: [] }),
      codeOverwritten: () => undefined,
    });
    // Every write of a device to memory passes here.
    const space = machine.space as unknown as { written(gpa: number, length: number): void };
    const written = space.written.bind(space);
    space.written = (gpa, length) => {
      written(gpa, length);
      const bytes = leader.ram.slice(gpa, gpa + length);
      recorder.events.push({ name: 'dma', args: [gpa, bytes] });
    };
  }

  /** The machine's slices in small parts, each followed. */
  private cutRuns(vcpu: WasmVcpu): void {
    const run = vcpu.run.bind(vcpu);
    vcpu.run = (budget) => {
      for (let left = budget; ;) {
        this.follower.drain();
        const before = vcpu.instructions;
        const part = Math.min(left, CHUNK);
        const exit = run(part);
        const used = vcpu.instructions - before;
        left -= used;
        this.ms += used * INSTRUCTION_MS;
        this.compare();
        // Less than a part: a device asked for the run loop.
        if (this.found || exit !== 'budget' || left <= 0 || used < part) return exit;
      }
    };
  }

  private compare(): void {
    const withMemory = ++this.chunks % CHUNKS_TO_MEMORY === 0;
    const found = this.pair.follow(withMemory);
    const { strayed } = this.recorder;
    if (found) this.found = found;
    else if (strayed !== undefined) {
      const at = this.leader.vcpu.instructions;
      this.found = { after: at - CHUNK, at, trail: [], differences: [] };
    }
    if (this.found && strayed !== undefined)
      this.found = { ...this.found, differences: [...this.found.differences, strayed] };
  }

  /** Runs until the machine stops, `done` says so, or so many instructions are over. Undefined when both agreed all the way. */
  run(instructions: number, done: () => boolean = () => false): Divergence | undefined {
    const { machine } = this;
    while (!this.found && machine.vcpu.instructions < instructions && !done()) {
      const result = machine.slice();
      machine.flush();
      this.ms += SLICE_MS;
      if (result.state === 'stopped') break;
      if (result.state === 'halted') {
        if (result.sleepNs === Infinity) break;
        this.ms += result.sleepNs / 1e6;
      }
    }
    return this.found;
  }
}
