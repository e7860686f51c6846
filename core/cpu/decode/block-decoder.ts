/**
 * Turns guest code into blocks of micro-ops in linear memory (layout.ts: BLOCK_*, UOP_*). A block ends at a branch, at
 * the end of its page, or after MAX_INSTRUCTIONS.
 */
import { FLAG_HINTS, hintName, type Handler } from '../interp/interpreter';
import * as L from '../layout';
import type { FlagKind } from '../ops/context';
import { handlerKey } from './forms';
import type { IndexedRow, IndexedUse } from './indexed-row';
import { InstructionDecoder, MAX_INSTRUCTION_BYTES, type Decoded } from './instruction';

const MAX_INSTRUCTIONS = 32;
/** An instruction is at most CPL0, EA or LOADTEMP, SEGCHK and itself. */
const MAX_BLOCK_BYTES =
  L.BLOCK_HEADER_BYTES + (MAX_INSTRUCTIONS * 5 + 1) * L.UOP_BYTES + L.TARGETS_BYTES;
const PAGE = 4096;

const VECTOR_UD = 6;
const VECTOR_NM = 7;
const VECTOR_GP = 13;

/** What the block decoder needs of the helpers. */
export interface BlockServices {
  linkBlock(header: number): void;
  flushAllBlocks(): void;
}

export interface ModeHandlers {
  readonly long: ReadonlyMap<string, Handler>;
  readonly legacy: ReadonlyMap<string, Handler>;
}

interface Plan {
  readonly plain: Handler | undefined;
  /** Those that know what set the flags; none for most. */
  readonly hinted: ReadonlyMap<string, Handler> | undefined;
}

/** A cache line holds a header. */
const HEADER_ALIGNMENT = 64;

/** The micro-op has no use for its immediate: the target is no constant, and RET drops no parameters. */
function hasRoomForTargets({ shape }: Handler): boolean {
  const kind = shape.forms[0]?.kind;
  return kind !== 'j' && kind !== 'i';
}

export class BlockDecoder {
  private readonly u8: Uint8Array;
  private readonly u16: Uint16Array;
  private readonly i32: Int32Array;
  private readonly u32: Uint32Array;
  private readonly instructions = new InstructionDecoder();
  /** By the use's number. */
  private readonly plans: (Plan | undefined)[] = [];
  private readonly pseudoHandlers = {
    long: new Map<string, Handler>(),
    legacy: new Map<string, Handler>(),
  };
  private readonly window = new Uint8Array(MAX_INSTRUCTION_BYTES + 1);
  private next = L.UOP_AREA_BASE;
  private at = 0;
  private start = 0;
  private mode = 0;
  private long = false;

  constructor(
    memory: SharedArrayBuffer,
    private readonly handlers: ModeHandlers,
    private readonly services: BlockServices,
    /** BLOCK_HEAT of a new block. */
    private readonly heat: number,
    /** Longest block, in instructions. */
    private readonly limit = MAX_INSTRUCTIONS,
  ) {
    this.u8 = new Uint8Array(memory);
    this.u16 = new Uint16Array(memory);
    this.i32 = new Int32Array(memory);
    this.u32 = new Uint32Array(memory);
  }

  /** Forgets where blocks were put; the helpers have dropped their tables. */
  reset(): void {
    this.next = L.UOP_AREA_BASE;
  }

  /**
   * Decodes the block at `gpa`; `page2` is the GPA of the next linear page, or -1 when it cannot be fetched. Returns
   * the address of its first micro-op.
   */
  decode(gpa: number, page2: number, mode: number): number {
    if (this.next + MAX_BLOCK_BYTES > L.UOP_AREA_END) {
      this.services.flushAllBlocks();
      this.reset();
    }
    this.mode = mode;
    this.long = (mode & L.MODE_LONG) !== 0;
    const header = this.next;
    this.start = header + L.BLOCK_HEADER_BYTES;
    this.at = this.start;
    const limit = mode & L.MODE_SINGLE ? 1 : this.limit;
    const pageRest = PAGE - (gpa % PAGE);
    let offset = 0;
    let count = 0;
    let crosses = false;
    let linkable = true;
    let ended = false;
    let hint: { kind: FlagKind; bytes: number } | undefined;
    let indirect = false;
    while (!ended && count < limit && offset < pageRest) {
      this.fetch(gpa + offset, page2);
      const decoded = this.instructions.decode(this.window, mode);
      const over = offset + decoded.length > pageRest;
      if (over && count > 0) break;
      const first = this.at;
      if (over && page2 < 0) {
        this.pseudo('FETCH', offset, 0);
        linkable = false;
        ended = true;
      } else {
        crosses = over;
        const handler = this.instruction(decoded, offset, hint);
        ended = handler === undefined || handler.definition.ends !== undefined;
        indirect = handler?.definition.indirect === true && hasRoomForTargets(handler);
        if (handler)
          hint =
            handler.flags === 'unknown'
              ? undefined
              : handler.flags === 'none'
                ? hint
                : handler.flags;
        offset += decoded.length;
      }
      count++;
      for (let uop = first; uop < this.at; uop += L.UOP_BYTES)
        this.u8[uop + L.UOP_REMAINING] = count;
      if (crosses) break;
    }
    if (!ended) this.pseudo('FALLTHROUGH', offset, offset);
    for (let uop = this.start; uop < this.at; uop += L.UOP_BYTES) {
      this.u8[uop + L.UOP_REMAINING] = Math.max(count - this.u8[uop + L.UOP_REMAINING] + 1, 0);
    }
    if (!ended) this.u8[this.at - L.UOP_BYTES + L.UOP_REMAINING] = 0;
    this.finish(header, gpa, count, offset, crosses ? page2 : -1);
    if (indirect) this.addTargets(header);
    if (linkable) this.services.linkBlock(header);
    const uop = this.start;
    this.next = (this.at + HEADER_ALIGNMENT - 1) & -HEADER_ALIGNMENT;
    return uop;
  }

  /** Room for the profile of the indirect branch that ends the block; its micro-op has no use for an immediate. */
  private addTargets(header: number): void {
    this.i32[(this.at - L.UOP_BYTES + L.UOP_IMM) >> 2] = this.at;
    this.u32[(header + L.BLOCK_TARGETS) >> 2] = this.at;
    this.u8.fill(0, this.at, this.at + L.TARGETS_BYTES);
    this.at += L.TARGETS_BYTES;
  }

  private finish(header: number, gpa: number, count: number, length: number, page2: number): void {
    // BLOCK_KEY: GPA | MODE << 40, as two words.
    this.u32[(header + L.BLOCK_KEY) >> 2] = gpa % 0x100000000;
    this.u32[((header + L.BLOCK_KEY) >> 2) + 1] = Math.floor(gpa / 0x100000000) | (this.mode << 8);
    this.u32[(header + L.BLOCK_HASH_NEXT) >> 2] = 0;
    this.u32[(header + L.BLOCK_PAGE_NEXT) >> 2] = 0;
    this.u16[(header + L.BLOCK_UOPS) >> 1] = (this.at - this.start) / L.UOP_BYTES;
    this.u16[(header + L.BLOCK_INSTRUCTIONS) >> 1] = count;
    this.u16[(header + L.BLOCK_LENGTH) >> 1] = length;
    this.u32[(header + L.BLOCK_PAGE2) >> 2] = page2 < 0 ? 0xffffffff : page2;
    this.u32[(header + L.BLOCK_PAGE2_NEXT) >> 2] = 0;
    this.u32[(header + L.BLOCK_REGION) >> 2] = 0;
    this.i32[(header + L.BLOCK_HEAT) >> 2] = this.heat;
    this.u32[(header + L.BLOCK_MEMBER_OF) >> 2] = 0;
    this.u32[(header + L.BLOCK_TARGETS) >> 2] = 0;
    this.u32[(header + L.BLOCK_JUMPS) >> 2] = 0;
  }

  /** Copies the bytes at a GPA into the window, going on at `page2`; what cannot be read is FF. */
  private fetch(gpa: number, page2: number): void {
    const rest = PAGE - (gpa % PAGE);
    const inPage = Math.min(rest, this.window.length);
    this.copy(gpa, 0, inPage);
    if (inPage < this.window.length) this.copy(page2, inPage, this.window.length - inPage);
  }

  private copy(gpa: number, to: number, length: number): void {
    const entry =
      gpa >= 0 && gpa < 0x100000000 ? this.u32[(L.PHYS_MAP_BASE >> 2) + Math.floor(gpa / PAGE)] : 0;
    if ((entry & L.PHYS_READ) === 0) {
      this.window.fill(0xff, to, to + length);
      return;
    }
    const from = ((entry & ~(PAGE - 1)) >>> 0) + (gpa % PAGE);
    for (let i = 0; i < length; i++) this.window[to + i] = this.u8[from + i];
  }

  /** Writes an instruction's micro-ops. Undefined when it raises instead. */
  private instruction(
    d: Decoded,
    offset: number,
    hint: { kind: FlagKind; bytes: number } | undefined,
  ): Handler | undefined {
    const raise = (vector: number, error: number): undefined => {
      this.pseudo('RAISE', offset, vector | ((error + 1) << 8), d.length);
      return undefined;
    };
    if (d.length > MAX_INSTRUCTION_BYTES) return raise(VECTOR_GP, 0);
    if (!d.row || d.lockInvalid) return raise(VECTOR_UD, -1);
    const { row } = d;
    const unit = this.unitFault(row);
    if (unit) return raise(unit, -1);
    const handler = this.handlerFor(d, hint);
    if (!handler) return raise(VECTOR_UD, -1);
    if (row.cpl0) {
      if (this.mode & L.MODE_USER) return raise(VECTOR_GP, 0);
      if (!(this.mode & L.MODE_REAL)) this.pseudo('CPL0', offset, 0, d.length);
    }
    if (d.memory) this.reduceAddress(d, row, offset);
    if (d.memory && this.needsSegmentCheck(d, row)) {
      const { forms } = d.use!;
      const i = forms.findIndex((f) => f.kind === 'm');
      const bytes = i >= 0 ? forms[i].bytes : 1;
      const write = i === 0 && !handler.definition.reads;
      const uop = this.pseudo('SEGCHK', offset, bytes | (write ? 0x100 : 0), d.length);
      this.operands(uop, d, offset);
    }
    const uop = this.write(handler.number, d.length, offset);
    this.operands(uop, d, offset);
    this.immediate(uop, d, offset);
    return handler;
  }

  /** SDM 3A 2.5 (CR0.EM, MP, TS), 9.6 and 14.1: the vector an instruction of that unit raises now, or 0. */
  private unitFault(row: IndexedRow): number {
    const { mode } = this;
    const unavailable = (mode & L.MODE_TS) !== 0;
    switch (row.unit) {
      case 'x87':
        return mode & (L.MODE_TS | L.MODE_EM) ? VECTOR_NM : 0;
      case 'fwait':
        return unavailable && mode & L.MODE_MP ? VECTOR_NM : 0;
      case 'mmx':
        return mode & L.MODE_EM ? VECTOR_UD : unavailable ? VECTOR_NM : 0;
      case 'sse':
        return mode & (L.MODE_EM | L.MODE_NO_SSE) ? VECTOR_UD : unavailable ? VECTOR_NM : 0;
      default:
        return 0;
    }
  }

  private handlerFor(
    d: Decoded,
    hint: { kind: FlagKind; bytes: number } | undefined,
  ): Handler | undefined {
    const { plain, hinted } = this.planOf(d.use!);
    return (hint && hinted?.get(hintName(hint))) ?? plain;
  }

  private planOf(use: IndexedUse): Plan {
    return (this.plans[use.id] ??= this.newPlan(use));
  }

  private newPlan(use: IndexedUse): Plan {
    const table = use.long ? this.handlers.long : this.handlers.legacy;
    const hinted = new Map<string, Handler>();
    for (const name of FLAG_HINTS.map(hintName)) {
      const handler = table.get(handlerKey(use, use.forms, name));
      if (handler) hinted.set(name, handler);
    }
    const plain = table.get(handlerKey(use, use.forms));
    return { plain, hinted: hinted.size > 0 ? hinted : undefined };
  }

  /** Addresses that the handlers' own arithmetic does not wrap right go through S_TEMP first. */
  private reduceAddress(d: Decoded, row: IndexedRow, offset: number): void {
    const wide = this.long ? 8 : 4;
    if (d.addressBytes === wide) {
      // A full 64-bit offset in the instruction.
      if (d.immediateHigh === 0 && d.immediateLow === 0) return;
      if (!row.hasOffset) return;
      d.displacement = d.immediateLow;
      if (d.immediateHigh !== d.immediateLow >> 31) {
        const uop = this.pseudo('LOADTEMP', offset, 0, d.length);
        this.i32[(uop + L.UOP_IMM) >> 2] = d.immediateLow;
        this.i32[(uop + L.UOP_IMM + 4) >> 2] = d.immediateHigh;
        d.displacement = 0;
        d.base = L.S_TEMP;
      }
      return;
    }
    const uop = this.pseudo(d.addressBytes === 2 ? 'EA16' : 'EA32', offset, 0, d.length);
    this.operands(uop, d, offset);
    d.base = L.S_TEMP;
    d.index = L.S_ZERO;
    d.scale = 0;
    d.displacement = 0;
    d.ripRelative = false;
  }

  private needsSegmentCheck(d: Decoded, row: IndexedRow): boolean {
    if (this.long || d.segment >= L.SEG_LDTR) return false;
    return (this.mode & (L.MODE_CHECK_SEG << d.segment)) !== 0 && !row.addressOnly;
  }

  private pseudo(mnemonic: string, offset: number, immediate: number, length = 0): number {
    const side = this.long ? 'long' : 'legacy';
    let handler = this.pseudoHandlers[side].get(mnemonic);
    if (!handler) {
      const known = [...this.handlers[side].values()];
      handler = known.find(({ definition }) => definition.mnemonic === mnemonic)!;
      this.pseudoHandlers[side].set(mnemonic, handler);
    }
    const uop = this.write(handler.number, length, offset);
    this.i32[(uop + L.UOP_IMM) >> 2] = immediate;
    this.i32[(uop + L.UOP_IMM + 4) >> 2] = 0;
    return uop;
  }

  private write(handler: number, length: number, offset: number): number {
    const uop = this.at;
    this.at += L.UOP_BYTES;
    this.u16[(uop + L.UOP_HANDLER) >> 1] = handler;
    this.u8[uop + L.UOP_LENGTH] = length;
    this.u16[(uop + L.UOP_RIP_OFFSET) >> 1] = offset;
    this.u16[(uop + L.UOP_BASE) >> 1] = L.S_ZERO;
    this.u16[(uop + L.UOP_INDEX) >> 1] = L.S_ZERO;
    return uop;
  }

  private operands(uop: number, d: Decoded, offset: number): void {
    this.u8[uop + L.UOP_SEGMENT] = d.segment;
    this.u16[(uop + L.UOP_REG0) >> 1] = d.registers[0];
    this.u16[(uop + L.UOP_REG1) >> 1] = d.registers[1];
    this.u16[(uop + L.UOP_REG2) >> 1] = d.registers[2];
    this.u16[(uop + L.UOP_BASE) >> 1] = d.ripRelative ? L.S_BLOCK_RIP : d.base;
    this.u16[(uop + L.UOP_INDEX) >> 1] = d.index;
    this.u8[uop + L.UOP_SCALE] = d.scale;
    this.i32[(uop + L.UOP_DISP) >> 2] = d.ripRelative
      ? d.displacement + offset + d.length
      : d.displacement;
    this.u16[(uop + L.UOP_PREFIXES) >> 1] = d.prefixes;
  }

  private immediate(uop: number, d: Decoded, offset: number): void {
    if (d.use!.branches) {
      // Targets count from the block's first instruction.
      const target = d.immediateLow + offset + d.length;
      this.i32[(uop + L.UOP_IMM) >> 2] = target;
      this.i32[(uop + L.UOP_IMM + 4) >> 2] = target < 0 ? -1 : 0;
      return;
    }
    this.i32[(uop + L.UOP_IMM) >> 2] = d.immediateLow;
    this.i32[(uop + L.UOP_IMM + 4) >> 2] = d.immediateHigh;
  }
}
