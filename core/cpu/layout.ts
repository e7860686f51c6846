/**
 * Where everything lives in a domain's WebAssembly memory. Read by TypeScript and, as the same source, by the
 * AssemblyScript helpers: keep to `export const NAME = <integer expression>`.
 *
 * ```
 * 0x0000_0000  vcpu state, VCPU_STRIDE bytes each
 * 0x0020_0000  static data of the helpers (tables)
 * 0x0040_0000  physical page map     u32 a page of 4 GiB
 * 0x0080_0000  code granule map      u32 a page: bit n = bytes 128n..128n+127 hold decoded code
 * 0x00c0_0000  dirty map             u8 a page
 * 0x0100_0000  TLBs, TLB_STRIDE bytes a vcpu
 * 0x0500_0000  jump caches, JUMP_CACHE_BYTES a vcpu
 * 0x0580_0000  blocks of a page      u32 a page: head of the list of decoded blocks
 * 0x05c0_0000  block hash table
 * 0x05e0_0000  region records       REGION_BYTES each
 * 0x0620_0000  decoded micro-ops
 * 0x0dc0_0000  guest RAM, then device regions (VRAM, ROM)
 * ```
 * Guest loads and stores reach only addresses that the TLB fill (helpers/mmu.ts) took from the physical page map,
 * which the machine's address space alone writes.
 */
/** So low that the general registers of vcpu 0 are within a one-byte displacement of the memory: shorter code. */
export const VCPU_BASE = 0;
export const VCPU_STRIDE = 0x10000;
export const VCPU_MAX = 32;
export const HELPERS_DATA_BASE = 0x200000;
export const PHYS_MAP_BASE = 0x400000;
export const CODE_MAP_BASE = 0x800000;
export const DIRTY_MAP_BASE = 0xc00000;
export const TLB_AREA_BASE = 0x1000000;
export const TLB_STRIDE = 0x200000;
export const JUMP_CACHE_AREA_BASE = 0x5000000;
export const PAGE_BLOCKS_BASE = 0x5800000;
export const BLOCK_HASH_BASE = 0x5c00000;
export const BLOCK_HASH_ENTRIES = 0x80000;
export const REGION_AREA_BASE = 0x5e00000;
export const REGION_MAX = 32768;
export const UOP_AREA_BASE = 0x6200000;
export const UOP_AREA_END = 0xdc00000;
export const RAM_BASE = 0xdc00000;

/** Physical page map entry: host page address (bits 12-31) and these. 0 is MMIO or nothing: goes to the SystemBus. */
export const PHYS_READ = 1;
/** Stores go straight to memory (clear for ROM: stores are dropped by the bus). */
export const PHYS_WRITE = 2;

// --- TLB: modes (what CPL and SMAP allow), each an array of pairs of 16-byte entries, for reads and for writes:
//     { u64 tag; u32 addend; u32 global }: tag is the page's linear address, or all ones when empty;
//     host address = low 32 bits of (linear + addend). Separate exec arrays, tagged alike, whose addend gives the GPA.
//     In pairs, as code that writes a page reads it, too, and as short displacements make short code.
//     The supervisor's two modes and its exec array, TLB_NONE, then user arrays by address space, then their records.
//     One way only: of 1,024 entries the 20 to 30 pages that a system call touches often had two in one place.
export const TLB_ENTRIES = 4096;
export const TLB_ENTRY_BYTES = 16;
/** Within a pair: reads first, then writes. */
export const TLB_WRITE = 16;
export const TLB_PAIR_BYTES = 32;
export const TLB_MODE_BYTES = 0x20000;
/** What is flushed as a whole: half a mode, or an exec array. */
export const TLB_PART_BYTES = 0x10000;
export const TLB_MODE_SUPERVISOR = 0;
/** Supervisor with EFLAGS.AC set while CR4.SMAP is on. */
export const TLB_MODE_SUPERVISOR_AC = 1;
/** The supervisor's exec array. */
export const TLB_EXEC = 0x40000;
/** A mode whose arrays stay empty: every access goes by the helpers (alignment checks at CPL 3). */
export const TLB_NONE = 0x50000;
/** User spaces: a mode and an exec array each. */
export const TLB_SPACE = 0x70000;
export const TLB_SPACE_EXEC = 0x20000;
export const TLB_SPACE_BYTES = 0x30000;
/** As many as Linux keeps PCIDs, and PCID 0. */
export const TLB_SPACES = 7;
/** What the spaces and the supervisor must know to flush (helpers/spaces.ts). */
export const TLB_RECORDS = 0x1c0000;

// --- jump cache: JUMP_CACHE_WAYS arrays of entries, placed by (linear ^ linear >> 12); code that runs finds its entry in the
//     first way, `lookupBlock` moves it there: so what is hot lies together. An entry is { u64 tag; u32 micro-op pointer; u32 region << 1 }, tag = (linear & (2^48-1)) | S_MODE_TAG
export const JUMP_CACHE_WAYS = 4;
export const JUMP_CACHE_ENTRY_BYTES = 16;
export const JUMP_CACHE_WAY_BYTES = 0x10000;
export const JUMP_CACHE_BYTES = 0x40000;

// --- vcpu state: byte offsets from VCPU_BASE + index * VCPU_STRIDE
/** RAX RCX RDX RBX RSP RBP RSI RDI R8..R15, 8 bytes each. AH..BH are byte 1 of the first four. */
export const S_GPR = 0x000;
/** Always zero: stands for an absent base or index register. */
export const S_ZERO = 0x080;
/** Effective address made by an EA micro-op for the next one. */
export const S_TEMP = 0x088;
/** At block boundaries: address (offset in CS) of the next instruction. */
export const S_RIP = 0x090;
/** RIP of the current block's first instruction. */
export const S_BLOCK_RIP = 0x098;
/** u32: the micro-op being executed, stored before anything that can fault; 0 while the next block is looked up. */
export const S_UOP = 0x0a0;
/** i32: instructions left of the current slice; below zero leaves `run`. */
export const S_BUDGET = 0x0a4;
/** u32 written by other threads and devices: non-zero leaves `run` at the next block boundary. */
export const S_REQUEST = 0x0a8;
/** u32: 1 until one instruction has run behind STI or a load of SS (SDM 3A 6.8.3). */
export const S_INHIBIT = 0x0ac;
/** u32: translated region that begins at the block `lookupBlock` found last, or 0. */
export const S_FOUND_REGION = 0x2f0;
/** u32: set when a block that a region was made of is dropped: code behind a helper call may be stale. */
export const S_CODE_CHANGED = 0x2f4;
/** u32: set when a helper that an interpreter called has delivered a fault: the instruction is over, S_RIP is the handler's. */
export const S_FAULTED = 0x2f8;
/** u32: 1 while that one instruction behind STI or a load of SS runs: makes MODE_SHADOW. */
export const S_SHADOW = 0x2fc;
/** u64: instructions that the interpreter began, regions entered, regions left for the interpreter to run an instruction. */
export const S_COUNT_INTERPRETED = 0x340;
export const S_COUNT_REGION_RUNS = 0x348;
export const S_COUNT_REGION_STUCK = 0x350;
/** u32: regions left because of their floating-point operands or MXCSR. */
export const S_COUNT_FLOAT_RETREATS = 0x3a0;
/** u64: instructions retired before the current slice. */
export const S_RETIRED = 0x0b0;
/** u32: why `run` returned: EXIT_*. */
export const S_EXIT = 0x0b8;

// Arithmetic flags, lazily: kind (FLAGS_*), result and source; see ops/flags.ts
export const S_FLAG_KIND = 0x0c0;
export const S_FLAG_RESULT = 0x0c8;
export const S_FLAG_SOURCE = 0x0d0;
/** u32: EFLAGS without CF PF AF ZF SF OF (those bits are 0 here); bit 1 is always set. */
export const S_EFLAGS = 0x0d8;
/** u32: CPL 0..3. */
export const S_CPL = 0x0dc;
/** u64: generation of the translations in use (10 bits, helpers/spaces.ts) and number of the mode (6 bits, helpers/blocks.ts) in bits 48-63: part of every jump-cache tag. */
export const S_MODE_TAG = 0x0e0;
/** u32: MODE_* of the running code: key of decoded blocks. */
export const S_MODE = 0x0e8;
/** u32: host address of the TLB mode in use (this vcpu's TLB area + mode * TLB_MODE_BYTES). */
export const S_TLB = 0x0ec;
/** u32: 0xffff or 0xffffffff by SS.B outside 64-bit mode. */
export const S_STACK_MASK = 0x0f0;
/** u32: 1 when stack accesses need a limit check (SS not flat, legacy modes). */
export const S_STACK_CHECK = 0x0f4;
/** u32: 1 while halted. */
export const S_HALTED = 0x0f8;
/** u32: physical id of this vcpu (APIC id). */
export const S_INDEX = 0x0fc;

/** Segment arrays in the order ES CS SS DS FS GS LDTR TR. */
export const SEG_ES = 0;
export const SEG_CS = 1;
export const SEG_SS = 2;
export const SEG_DS = 3;
export const SEG_FS = 4;
export const SEG_GS = 5;
export const SEG_LDTR = 6;
export const SEG_TR = 7;
/** Ninth base, always zero: segments without a base in 64-bit mode. */
export const SEG_NONE = 8;
/** u64 each, 9 of them. */
export const S_SEG_BASE = 0x100;
/** u32 each: limit in bytes (granularity applied). */
export const S_SEG_LIMIT = 0x150;
/** u32 each. */
export const S_SEG_SELECTOR = 0x170;
/** u32 each: type 0-3, S 4, DPL 5-6, P 7, AVL 12, L 13, D/B 14, G 15, bit 16 = unusable (null). */
export const S_SEG_ACCESS = 0x190;
export const ACCESS_UNUSABLE = 0x10000;

/** u64 each from here. */
export const S_CR0 = 0x1c0;
export const S_CR2 = 0x1c8;
export const S_CR3 = 0x1d0;
export const S_CR4 = 0x1d8;
export const S_EFER = 0x1e0;
export const S_XCR0 = 0x1e8;
/** DR0..DR7. */
export const S_DR = 0x1f0;
export const S_GDTR_BASE = 0x230;
export const S_IDTR_BASE = 0x238;
/** u32. */
export const S_GDTR_LIMIT = 0x240;
export const S_IDTR_LIMIT = 0x244;
export const S_STAR = 0x248;
export const S_LSTAR = 0x250;
export const S_CSTAR = 0x258;
export const S_FMASK = 0x260;
export const S_KERNEL_GS_BASE = 0x268;
export const S_SYSENTER_CS = 0x270;
export const S_SYSENTER_ESP = 0x278;
export const S_SYSENTER_EIP = 0x280;
export const S_TSC_AUX = 0x288;
export const S_PAT = 0x290;
/** u64: added to the host's scaled clock to give the guest's TSC. */
export const S_TSC_OFFSET = 0x298;
/** PDPTEs of PAE paging, loaded with CR3 (SDM 3A 4.4.1): 4 x u64. */
export const S_PDPTE = 0x2a0;

/** A fault on its way (stored before `unwind`): u32 vector, u32 error code, u32 1 when there is an error code. */
export const S_FAULT_VECTOR = 0x2c0;
export const S_FAULT_ERROR = 0x2c4;
export const S_FAULT_HAS_ERROR = 0x2c8;
/** u32: 0 nothing, else 1 + class (0 benign, 1 contributory, 2 page fault, 3 double fault) of what is being delivered (SDM 3A table 6-5). */
export const S_DELIVERING = 0x2cc;
/** u32: DR6 bits to report with a #DB after the current instruction. */
export const S_PENDING_DEBUG = 0x2d0;
/** u32: an external interrupt waits for EFLAGS.IF: what sets IF then sets S_REQUEST. */
export const S_IRQ_PENDING = 0x2d4;
/** u32: an NMI waits; NMIs are blocked until IRET (SDM 3A 6.7.1). */
export const S_NMI_PENDING = 0x2d8;
export const S_NMI_BLOCKED = 0x2dc;
/** u32: counters for `domus perf`: TLB misses, block look-ups, blocks invalidated, faults. */
export const S_COUNT_TLB_MISS = 0x2e0;
export const S_COUNT_BLOCK_LOOKUP = 0x2e4;
export const S_COUNT_INVALIDATED = 0x2e8;
export const S_COUNT_FAULT = 0x2ec;

/** XMM0..XMM15, 16 bytes each; their YMM halves are reserved behind. */
export const S_XMM = 0x400;
export const S_YMM_HIGH = 0x500;
/** x87 registers by physical number R0..R7, 16 bytes each: u64 significand, u16 sign and exponent. MMn is the significand of Rn. */
export const S_X87 = 0x600;
/** u32 each: control word, status word without TOP, TOP, tag word in FXSAVE's abridged form (bit n: Rn not empty). */
export const S_X87_CONTROL = 0x680;
export const S_X87_STATUS = 0x684;
export const S_X87_TOP = 0x688;
export const S_X87_TAGS = 0x68c;
export const S_MXCSR = 0x690;
/** u32: last x87 opcode (11 bits); u64: instruction and data pointers; u32: their selectors. */
export const S_X87_OPCODE = 0x694;
export const S_X87_IP = 0x698;
export const S_X87_DP = 0x6a0;
export const S_X87_CS = 0x6a8;
export const S_X87_DS = 0x6ac;
/** 64 bytes of scratch for helpers that return more than one value. */
export const S_SCRATCH = 0x6c0;

export const EXIT_BUDGET = 0;
export const EXIT_HALTED = 1;
/** The next block belongs to the other interpreter (64-bit or legacy). */
export const EXIT_MODE = 2;
export const EXIT_SHUTDOWN = 3;

// --- MODE_*: everything a decoded block depends on besides its bytes
/** 64-bit mode (EFER.LMA and CS.L). */
export const MODE_LONG = 1;
/** CS.D: default operand and address size 32. */
export const MODE_CODE32 = 2;
/** CR0.PE clear. */
export const MODE_REAL = 4;
/** EFLAGS.VM set. */
export const MODE_V86 = 8;
/** CPL 3. */
export const MODE_USER = 0x10;
/** EFLAGS.TF set: one instruction a block. */
export const MODE_TRACE = 0x20;
/** DR7 has enabled code breakpoints. */
export const MODE_BREAKPOINTS = 0x40;
/** CR0.TS, CR0.EM, CR0.MP, CR4.OSFXSR as the x87/SSE availability checks need them. */
export const MODE_TS = 0x80;
export const MODE_EM = 0x100;
export const MODE_MP = 0x200;
export const MODE_NO_SSE = 0x400;
/** The instruction behind STI or a load of SS, before which no interrupt is taken. */
export const MODE_SHADOW = 0x800;
/** Code that runs one instruction at a time. */
export const MODE_SINGLE = MODE_TRACE | MODE_BREAKPOINTS | MODE_SHADOW;
/** Not flat (base may be anything; limit below 4 GiB - 1, expand-down, unreadable or unwritable): needs SEGCHK; shifted by segment ES..GS. */
export const MODE_CHECK_SEG = 0x1000;

// --- decoded block: header (BLOCK_HEADER_BYTES), then micro-ops of UOP_BYTES
/** u64: GPA of the first byte | MODE flags << 40 (all ones when invalidated). */
export const BLOCK_KEY = 0;
/** u32: next block in its hash chain, or 0. */
export const BLOCK_HASH_NEXT = 8;
/** u32: next block of its page, or 0. */
export const BLOCK_PAGE_NEXT = 12;
/** u16: micro-ops; u16: guest instructions; u16: guest bytes. */
export const BLOCK_UOPS = 16;
export const BLOCK_INSTRUCTIONS = 18;
export const BLOCK_LENGTH = 20;
/** u32: GPA of the page the last instruction runs over into, or 0xffffffff; such a block is on two page lists (second link below). */
export const BLOCK_PAGE2 = 24;
export const BLOCK_PAGE2_NEXT = 28;
/** u32: number of the translated region that begins with this block, or 0. */
export const BLOCK_REGION = 32;
/** i32: times the interpreter still runs this block before it asks for a translation. */
export const BLOCK_HEAT = 36;
/** u32: regions made of this block among others. */
export const BLOCK_MEMBER_OF = 40;
/** u32: where the indirect branch that ends the block has gone (TARGETS_*), or 0 when it ends otherwise. */
export const BLOCK_TARGETS = 44;
/** u32: 0 when the block is not in the jump cache, BLOCK_JUMPS_MANY when in several sets of it, else BLOCK_JUMPS_ONE + offset of its place in the first way. */
export const BLOCK_JUMPS = 48;
export const BLOCK_JUMPS_MANY = 1;
export const BLOCK_JUMPS_ONE = 2;
export const BLOCK_HEADER_BYTES = 64;

// --- targets of an indirect branch, a profile for the translator
/** i32: branches from a region to none of its nodes until it is made anew. */
export const TARGETS_MISSES = 0;
/** From here: TARGETS_ENTRIES u64 RIPs, placed by their low bits. */
export const TARGETS_LIST = 8;
export const TARGETS_ENTRIES = 16;
export const TARGETS_BYTES = 144;

// --- region record n at REGION_AREA_BASE + n * REGION_BYTES: the pages whose translations a region relies on besides its entry's
/** u32: pages that follow. */
export const REGION_PAGES = 0;
/** From here: { i32 distance in pages from the entry's page; u32 GPA of the page }. */
export const REGION_PAGE_LIST = 4;
export const REGION_PAGES_MAX = 14;
/** i32: times it may still be left for the interpreter before its access checks are made apart. */
export const REGION_PATIENCE = 120;
/** i32: times REGION_HEAT_RUNS runs until the region is made anew, larger. */
export const REGION_HEAT = 124;
export const REGION_HEAT_RUNS = 64;
export const REGION_BYTES = 128;

export const UOP_BYTES = 32;
/** u16: handler number; 0 is REFETCH (leave the block at this instruction and look it up again). */
export const UOP_HANDLER = 0;
/** u8: instruction length in bytes. */
export const UOP_LENGTH = 2;
/** u8: segment register (SEG_*) of the memory operand: SEG_NONE when it has no base. */
export const UOP_SEGMENT = 3;
/** u16 each: offsets into vcpu state of register operands 0, 1, 2. */
export const UOP_REG0 = 4;
export const UOP_REG1 = 6;
export const UOP_REG2 = 14;
/** u16 each: base and index registers (S_ZERO when absent); u8: scale shift. */
export const UOP_BASE = 8;
export const UOP_INDEX = 10;
export const UOP_SCALE = 12;
/** u8: instructions of the block from this one on: what a fault here leaves undone. */
export const UOP_REMAINING = 13;
/** i64: immediate, sign-extended; branch targets as offsets from the block's RIP. */
export const UOP_IMM = 16;
/** i32: displacement. */
export const UOP_DISP = 24;
/** u16: offset of the instruction from the block's first. */
export const UOP_RIP_OFFSET = 28;
/** u16: bits PREFIX_*. */
export const UOP_PREFIXES = 30;
export const PREFIX_OPSIZE = 1;
export const PREFIX_ADDRSIZE = 2;
export const PREFIX_LOCK = 4;
export const PREFIX_REPNE = 8;
export const PREFIX_REP = 16;
export const PREFIX_REXW = 32;
/** Not a prefix: the operand is in the stack segment by default, or is the stack itself (#SS for #GP). */
export const PREFIX_STACK = 64;

// --- flag kinds: FLAGS_x + size index (0: 8 bit, 1: 16, 2: 32, 3: 64); values in S_FLAG_RESULT / S_FLAG_SOURCE
/** SOURCE holds CF PF AF ZF SF OF at their EFLAGS places. */
export const FLAGS_RAW = 0;
/** RESULT = a + b, SOURCE = b. */
export const FLAGS_ADD = 4;
/** RESULT = a + b + 1 with carry in, SOURCE = b. */
export const FLAGS_ADC = 8;
/** RESULT = a - b, SOURCE = b. */
export const FLAGS_SUB = 12;
/** RESULT = a - b - 1 with borrow in, SOURCE = b. */
export const FLAGS_SBB = 16;
/** CF = OF = AF = 0. */
export const FLAGS_LOGIC = 20;
/** SOURCE = CF before. */
export const FLAGS_INC = 24;
export const FLAGS_DEC = 28;
/** SOURCE = operand << (count - 1): its top bit is CF; OF = CF xor top bit of RESULT; AF = 0. */
export const FLAGS_SHL = 32;
/** SOURCE = operand >> (count - 1): bit 0 is CF; OF = top bit of RESULT xor bit below it; AF = 0. */
export const FLAGS_SHR = 36;
/** SOURCE as SHR; OF = 0; AF = 0. */
export const FLAGS_SAR = 40;
/** SOURCE = CF = OF (0 or 1); AF = 0. */
export const FLAGS_MUL = 44;
/** ANDN, BLSR..: SOURCE = CF, OF = AF = 0, rest from RESULT. */
export const FLAGS_CARRY = 48;
export const FLAGS_KINDS = 52;
