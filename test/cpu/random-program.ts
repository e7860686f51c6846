/** Random programs: loops, calls, jumps through tables, memory, faults and code that is written, as assembly text. */
import type { Random } from './random';
import { CONSTANTS } from './rig';

/** Changed freely. RBP points into the data, R14 is where a fault goes on, R15 counts the rounds. */
const R64 = ['rax', 'rcx', 'rdx', 'rbx', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13'];
const R32 = [
  'eax',
  'ecx',
  'edx',
  'ebx',
  'esi',
  'edi',
  'r8d',
  'r9d',
  'r10d',
  'r11d',
  'r12d',
  'r13d',
];
const R16 = ['ax', 'cx', 'dx', 'bx', 'si', 'di', 'r8w', 'r9w', 'r10w', 'r11w', 'r12w', 'r13w'];
const R8 = ['al', 'cl', 'dl', 'bl', 'sil', 'dil', 'r8b', 'r9b', 'r10b', 'r11b', 'r12b', 'r13b'];
const HIGH = ['ah', 'ch', 'dh', 'bh'];
const SIZES = [1, 2, 4, 4, 4, 8, 8, 8] as const;
type Size = (typeof SIZES)[number];
const NAMES: Record<Size, readonly string[]> = { 1: R8, 2: R16, 4: R32, 8: R64 };
const WIDTH: Record<Size, string> = { 1: 'byte', 2: 'word', 4: 'dword', 8: 'qword' };
const CONDITIONS = [
  'o',
  'no',
  'b',
  'ae',
  'e',
  'ne',
  'be',
  'a',
  's',
  'ns',
  'p',
  'np',
  'l',
  'ge',
  'le',
  'g',
];
const FUNCTIONS = 6;
/** Pages from DATA on that come and go. */
const LOOSE_PAGES = 8;

/**
 * Handlers. A page fault maps its page and takes another one away; what cannot be mended goes on at R14; vector 32
 * counts.
 */
const HANDLERS = `
  .balign 16
  vector0: vector6:
    mov [rsp], r14
    inc qword ptr [faults]
    iretq
  vector32:
    inc qword ptr [ticks]
    iretq
  vector14:
    add rsp, 8
    push rax
    push rcx
    mov rax, cr2
    shr rax, 12
    or qword ptr [PAGE_TABLES + rax*8], 1
    inc qword ptr [faults]
    mov rcx, [faults]
    and ecx, ${String(LOOSE_PAGES - 1)}
    add ecx, DATA >> 12
    cmp rcx, rax
    je 1f
    and qword ptr [PAGE_TABLES + rcx*8], ~1
    shl rcx, 12
    invlpg [rcx]
  1:pop rcx
    pop rax
    iretq
  .balign 8
  faults: .quad 0
  ticks: .quad 0
`;

export class ProgramWriter {
  private readonly lines: string[] = [];
  private labels = 0;
  /** Labels behind which there is a 32-bit immediate that the program may overwrite. */
  private readonly patches: string[] = [];

  constructor(private readonly random: Random) {}

  /** The whole program. */
  write(rounds: number): string {
    const { lines, random } = this;
    lines.push(CONSTANTS, `lea rbp, [DATA + 0x2000]`, `mov r15d, ${String(rounds)}`);
    for (const name of R64) lines.push(`mov ${name}, 0x${random.operand().toString(16)}`);
    for (let page = 0; page < LOOSE_PAGES; page += 2)
      lines.push(`and qword ptr [PAGE_TABLES + (DATA >> 12) * 8 + ${String(page * 8)}], ~1`);
    lines.push('sti', 'round:', 'call f0', 'dec r15', 'jnz round', 'cli', 'hlt');
    for (let f = 0; f < FUNCTIONS; f++) this.function(f);
    lines.push(HANDLERS, '.balign 8');
    lines.push(
      `calls: ${this.table(Array.from({ length: 4 }, (_, i) => `f${String(FUNCTIONS - 1 - (i & 1))}`))}`,
    );
    return lines.join('\n');
  }

  private table(labels: readonly string[]): string {
    return `.quad ${labels.join(', ')}`;
  }

  private label(): string {
    return `L${String(this.labels++)}`;
  }

  private function(number: number): void {
    const { random, lines } = this;
    // Some begin at the end of a page, so that their instructions lie across it.
    if (random.chance(30))
      lines.push('.balign 4096', `.skip ${String(4096 - 1 - random.below(60))}, 0x90`);
    lines.push(`f${String(number)}:`);
    const loop = random.chance(60);
    const head = this.label();
    if (loop) lines.push(`push ${String(2 + random.below(6))}`, `${head}:`);
    const parts = 2 + random.below(4);
    for (let part = 0; part < parts; part++) {
      this.straight(3 + random.below(10));
      this.turn(number);
    }
    if (loop) lines.push('dec qword ptr [rsp]', `jnz ${head}`, 'lea rsp, [rsp + 8]');
    lines.push(random.chance(20) ? 'ret 0' : 'ret');
  }

  /** A change of direction: a branch forwards, a call, a jump through a table, a small loop. */
  private turn(number: number): void {
    const { random, lines } = this;
    const over = this.label();
    const kind = random.below(6);
    if (kind <= 1) {
      this.compare();
      lines.push(`j${random.pick(CONDITIONS)} ${over}`);
      this.straight(1 + random.below(5));
      lines.push(`${over}:`);
    } else if (kind === 2 && number + 1 < FUNCTIONS) {
      lines.push(`call f${String(number + 1 + random.below(Math.min(2, FUNCTIONS - 1 - number)))}`);
    } else if (kind === 3 && number < FUNCTIONS - 2) {
      const [a, b] = [random.pick(R64.slice(0, 6)), random.pick(R64.slice(6))];
      lines.push(`mov ${b}, ${a}`, `and ${b}, 3`, `call [calls + ${b}*8]`);
    } else if (kind === 4) {
      const cases = [0, 1, 2, 3].map(() => this.label());
      const table = this.label();
      const index = random.pick(R64);
      lines.push(`and ${index}, 3`, `jmp [${table} + ${index}*8]`, '.balign 8');
      lines.push(`${table}: ${this.table(cases)}`);
      for (const name of cases) {
        lines.push(`${name}:`);
        this.straight(1 + random.below(3));
        if (random.chance(50)) lines.push(`jmp ${over}`);
      }
      lines.push(`${over}:`);
    } else {
      lines.push(`push ${String(2 + random.below(20))}`, `${over}:`);
      this.straight(1 + random.below(4));
      lines.push('dec qword ptr [rsp]', `jnz ${over}`, `pop ${random.pick(R64)}`);
    }
  }

  private straight(count: number): void {
    for (let i = 0; i < count; i++) this.instruction();
  }

  /** A memory operand in the data; may clobber a register's high bits first. */
  private memory(size: Size): string {
    const { random, lines } = this;
    const offset = random.chance(8) ? 0x1000 - random.below(8) : random.below(0x3000);
    const aligned = random.chance(70) ? offset & -size : offset;
    const width = `${WIDTH[size]} ptr`;
    if (random.chance(60)) return `${width} [rbp + ${String(aligned - 0x1000)}]`;
    const index = random.pick(R64);
    lines.push(`and ${index}, ${random.pick(['0x3ff', '0x7f8', '0xff0'])}`);
    const scale = random.pick([1, 2, 4]);
    return `${width} [rbp + ${index}*${String(scale)} + ${String(random.below(0x800) - 0x400)}]`;
  }

  private place(size: Size): string {
    const { random } = this;
    if (random.chance(35)) return this.memory(size);
    if (size === 1 && random.chance(20)) return random.pick(HIGH);
    return random.pick(NAMES[size]);
  }

  private compare(): void {
    const { random, lines } = this;
    const size = random.pick(SIZES);
    if (random.chance(20)) return;
    const first = random.pick(NAMES[size]);
    const second = random.chance(50) ? random.pick(NAMES[size]) : String(random.below(256) - 128);
    lines.push(`${random.pick(['cmp', 'test', 'cmp'])} ${first}, ${second}`);
  }

  private immediate(size: Size): string {
    const { random } = this;
    const bits = Math.min(size * 8, 32);
    return String(BigInt.asIntN(bits, random.operand()));
  }

  private instruction(): void {
    const { random, lines } = this;
    const size = random.pick(SIZES);
    const register = random.pick(NAMES[size]);
    const kind = random.below(30);
    if (kind < 8) {
      const mnemonic = random.pick([
        'add',
        'sub',
        'and',
        'or',
        'xor',
        'adc',
        'sbb',
        'cmp',
        'mov',
        'mov',
        'mov',
      ]);
      const form = random.below(3);
      if (form === 0) lines.push(`${mnemonic} ${register}, ${this.memory(size)}`);
      else if (form === 1)
        lines.push(`${mnemonic} ${this.memory(size)}, ${random.pick(NAMES[size])}`);
      else
        lines.push(
          `${mnemonic} ${register}, ${random.chance(50) ? this.immediate(size) : random.pick(NAMES[size])}`,
        );
    } else if (kind === 8)
      lines.push(`${random.pick(['inc', 'dec', 'neg', 'not'])} ${this.place(size)}`);
    else if (kind === 9) {
      const count = random.chance(50) ? 'cl' : String(random.below(size * 8));
      lines.push(
        `${random.pick(['shl', 'shr', 'sar', 'rol', 'ror', 'rcl', 'rcr'])} ${this.place(size)}, ${count}`,
      );
    } else if (kind === 10) {
      const wide = size === 1 ? 4 : size;
      lines.push(`imul ${random.pick(NAMES[wide])}, ${random.pick(NAMES[wide])}`);
    } else if (kind === 11) lines.push(`${random.pick(['mul', 'imul'])} ${register}`);
    else if (kind === 12) {
      const next = this.label();
      lines.push(`lea r14, [rip + ${next}]`);
      if (random.chance(50))
        lines.push(`xor ${NAMES[size === 1 ? 4 : size][2]}, ${NAMES[size === 1 ? 4 : size][2]}`);
      lines.push(
        random.chance(10) ? 'ud2' : `${random.pick(['div', 'idiv'])} ${register}`,
        `${next}:`,
      );
    } else if (kind === 13)
      lines.push(
        `${random.chance(50) ? 'movzx' : 'movsx'} ${random.pick(R32)}, ${this.place(1).replace(/^[abcd]h$/, 'bl')}`,
      );
    else if (kind === 14) lines.push(`set${random.pick(CONDITIONS)} ${this.place(1)}`);
    else if (kind === 15) {
      const wide = size === 1 ? 4 : size;
      lines.push(
        `cmov${random.pick(CONDITIONS)} ${random.pick(NAMES[wide])}, ${random.pick(NAMES[wide])}`,
      );
    } else if (kind === 16) {
      const wide = size === 1 ? 8 : size;
      lines.push(
        `${random.pick(['bt', 'bts', 'btr', 'btc'])} ${random.pick(NAMES[wide])}, ${String(random.below(wide * 8))}`,
      );
    } else if (kind === 17)
      lines.push(`${random.pick(['xchg', 'xadd', 'cmpxchg'])} ${this.memory(size)}, ${register}`);
    else if (kind === 18) lines.push(`push ${random.pick(R64)}`, `pop ${random.pick(R64)}`);
    else if (kind === 19) lines.push(`push ${this.memory(8)}`, `pop ${this.memory(8)}`);
    else if (kind === 20)
      lines.push(
        `lea ${random.pick(R64)}, [${random.pick(R64)} + ${random.pick(R64)}*4 + ${this.immediate(2)}]`,
      );
    else if (kind === 21) this.string();
    else if (kind === 22)
      lines.push(
        random.pick(['cdq', 'cqo', 'cdqe', 'stc', 'clc', 'cmc', 'lahf', 'sahf', 'bswap rdx']),
      );
    else if (kind === 23) this.patch();
    else if (kind === 24) lines.push('pushfq', `pop ${random.pick(R64)}`);
    else if (kind === 25) this.supervisor();
    else this.vector();
  }

  /** What kernels do all the time. Interrupts are on behind it. */
  private supervisor(): void {
    const { random, lines } = this;
    const kind = random.below(4);
    if (kind === 0) {
      lines.push('pushfq', 'cli');
      this.straight(1 + random.below(3));
      lines.push('popfq');
    } else if (kind === 1) {
      lines.push('cli');
      this.straight(random.below(3));
      lines.push('sti');
    } else if (kind === 2) {
      lines.push('stac');
      this.straight(1);
      lines.push('clac');
    } else lines.push(`mov ${random.pick(R64)}, ${random.pick(['cr0', 'cr2', 'cr3', 'cr4'])}`);
  }

  private string(): void {
    const { random, lines } = this;
    const op = random.pick(['movsb', 'movsq', 'stosd', 'lodsb', 'scasb', 'cmpsw']);
    const prefix =
      op.startsWith('scas') || op.startsWith('cmps') ? random.pick(['repe', 'repne']) : 'rep';
    const repeat = random.chance(70);
    lines.push(`lea rsi, [rbp + ${String(random.below(0x1800) - 0x800)}]`);
    lines.push(`lea rdi, [rbp + ${String(random.below(0x1800) - 0x800)}]`);
    if (repeat) lines.push(`mov ecx, ${String(random.below(40))}`);
    const down = random.chance(20);
    if (down) lines.push('std');
    lines.push(repeat ? `${prefix} ${op}` : op);
    if (down) lines.push('cld');
  }

  /** Code that is written while it runs: an immediate of an instruction here, changed by a store before or behind it. */
  private patch(): void {
    const { random, lines } = this;
    if (this.patches.length > 0 && random.chance(60)) {
      lines.push(`mov byte ptr [${random.pick(this.patches)} + 1], ${random.pick(R8)}`);
      return;
    }
    const name = this.label();
    this.patches.push(name);
    if (random.chance(50)) lines.push(`inc dword ptr [${name} + 1]`);
    lines.push(
      `${name}: mov ${random.pick(['eax', 'ecx', 'edx', 'ebx'])}, ${String(random.below(1000))}`,
    );
  }

  private vector(): void {
    const { random, lines } = this;
    const [a, b] = [`xmm${String(random.below(6))}`, `xmm${String(random.below(6))}`];
    const kind = random.below(5);
    if (kind === 0) lines.push(`movq ${a}, ${random.pick(R64)}`);
    else if (kind === 1) lines.push(`movq ${random.pick(R64)}, ${a}`);
    else if (kind === 2) {
      const place = this.memory(8).replace('qword', 'xmmword');
      lines.push(random.chance(50) ? `movdqu ${a}, ${place}` : `movdqu ${place}, ${a}`);
    } else
      lines.push(
        `${random.pick(['paddd', 'pxor', 'paddq', 'pcmpeqb', 'punpcklbw', 'pshufb', 'addsd', 'mulsd', 'subpd', 'cvtdq2pd'])} ${a}, ${b}`,
      );
  }
}
