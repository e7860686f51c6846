/*
 * Runs single instructions on this machine's processor: reads cases from stdin, writes what became of every register,
 * flag and byte of memory to stdout. The layout of struct input and struct output is mirrored in ../native-run.ts.
 *
 * Data window at DATA (64 KiB mapped, unmapped pages around it), code at CODE. The code of a case is followed by a
 * jump to `leave`; a jump to `code + TAKEN` (branches) ends at `leave_taken`. 32-bit cases run in compatibility mode.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE 0x20000000UL
#define DATA 0x10000000UL
#define DATA_BYTES 0x10000UL
#define CONTEXT 0x30000000UL
#define WINDOW 256
#define TAKEN 0x40

struct input {
  uint8_t code[48];
  uint32_t length;
  uint32_t mode32;
  uint64_t gpr[16];
  uint64_t flags;
  uint32_t window; /* offset of the compared window within DATA */
  uint32_t reserved;
  uint8_t memory[WINDOW];
  uint8_t fx[512];
} __attribute__((packed));

struct output {
  uint64_t gpr[16];
  uint64_t flags;
  uint64_t cr2;
  uint32_t trap; /* vector, or 0xffffffff */
  uint32_t error;
  uint32_t taken;
  uint32_t reserved;
  uint8_t memory[WINDOW];
  uint8_t fx[512];
} __attribute__((packed));

/* At CONTEXT, reached by absolute addresses from the assembly below. */
struct context {
  uint64_t gpr[16];      /* 0x000 */
  uint64_t flags;        /* 0x080 */
  uint64_t host_rsp;     /* 0x088 */
  uint64_t target;       /* 0x090 */
  uint64_t taken;        /* 0x098 */
  uint32_t far_offset;   /* 0x0a0 */
  uint16_t far_selector; /* 0x0a4 */
  uint16_t pad[13];
  uint64_t out[16];      /* 0x0c0 */
  uint64_t out_flags;    /* 0x140 */
  uint8_t pad2[0x200 - 0x148];
  uint8_t fx[512] __attribute__((aligned(16)));     /* 0x200 */
  uint8_t fx_out[512] __attribute__((aligned(16))); /* 0x400 */
};
#define context ((volatile struct context *)CONTEXT)

void enter64(void);
void enter32(void);
void leave(void);
void leave_taken(void);
void leave_fault(void);

__asm__(
    ".text\n"
    ".macro load_all\n"
    "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "  mov %rsp, 0x30000088\n"
    "  fxrstor64 0x30000200\n"
    "  pushq 0x30000080; popfq\n"
    "  mov 0x30000000, %rax; mov 0x30000008, %rcx; mov 0x30000010, %rdx; mov 0x30000018, %rbx\n"
    "  mov 0x30000028, %rbp; mov 0x30000030, %rsi; mov 0x30000038, %rdi\n"
    "  mov 0x30000040, %r8; mov 0x30000048, %r9; mov 0x30000050, %r10; mov 0x30000058, %r11\n"
    "  mov 0x30000060, %r12; mov 0x30000068, %r13; mov 0x30000070, %r14; mov 0x30000078, %r15\n"
    "  mov 0x30000020, %rsp\n"
    ".endm\n"
    ".globl enter64\nenter64:\n  load_all\n  jmp *0x30000090\n"
    ".globl enter32\nenter32:\n"
    "  mov $0x2b, %eax; mov %eax, %ds; mov %eax, %es\n"
    "  load_all\n  ljmp *0x300000a0\n"
    ".globl leave_taken\nleave_taken:\n"
    "  movq $1, 0x30000098\n"
    ".globl leave\nleave:\n"
    "  mov %rax, 0x300000c0; mov %rcx, 0x300000c8; mov %rdx, 0x300000d0; mov %rbx, 0x300000d8\n"
    "  mov %rsp, 0x300000e0; mov %rbp, 0x300000e8; mov %rsi, 0x300000f0; mov %rdi, 0x300000f8\n"
    "  mov %r8, 0x30000100; mov %r9, 0x30000108; mov %r10, 0x30000110; mov %r11, 0x30000118\n"
    "  mov %r12, 0x30000120; mov %r13, 0x30000128; mov %r14, 0x30000130; mov %r15, 0x30000138\n"
    "  mov 0x30000088, %rsp\n"
    "  pushfq; popq 0x30000140\n"
    "  cld\n"
    "  fxsave64 0x30000400\n"
    ".globl leave_fault\nleave_fault:\n"
    "  cld; fninit\n"
    "  xor %eax, %eax; mov %eax, %ds; mov %eax, %es\n"
    "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "  ret\n");

static volatile struct output *current;

static void on_signal(int number, siginfo_t *info, void *opaque) {
  ucontext_t *u = opaque;
  greg_t *g = u->uc_mcontext.gregs;
  (void)number;
  (void)info;
  static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  if (!current) _exit(3);
  for (int i = 0; i < 16; i++) context->out[i] = (uint64_t)g[order[i]];
  context->out_flags = (uint64_t)g[REG_EFL];
  current->trap = (uint32_t)g[REG_TRAPNO];
  current->error = (uint32_t)g[REG_ERR];
  current->cr2 = (uint64_t)g[REG_CR2];
  memcpy((void *)context->fx_out, u->uc_mcontext.fpregs, 512);
  g[REG_RIP] = (greg_t)leave_fault;
  g[REG_RSP] = (greg_t)context->host_rsp;
  g[REG_EFL] = 0x202;
  /* Back to 64-bit code with its own stack segment: the high words of REG_CSGSFS are GS, FS, SS. */
  g[REG_CSGSFS] = (g[REG_CSGSFS] & ~0xffffLL) | 0x33;
}

static int read_all(void *to, size_t n) {
  return fread(to, 1, n, stdin) == n;
}

int main(void) {
  /* Before anything is allocated: Linux lets the heap begin anywhere in the first GiB, and what is there would be lost. */
  int fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  if (mmap((void *)CODE, 0x2000, PROT_READ | PROT_WRITE | PROT_EXEC, fixed, -1, 0) == MAP_FAILED ||
      mmap((void *)DATA, DATA_BYTES, PROT_READ | PROT_WRITE, fixed, -1, 0) == MAP_FAILED ||
      mmap((void *)CONTEXT, 0x1000, PROT_READ | PROT_WRITE, fixed, -1, 0) == MAP_FAILED) {
    perror("mmap");
    return 1;
  }
  static char signal_stack[1 << 16];
  stack_t alternate = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack, .ss_flags = 0};
  sigaltstack(&alternate, NULL);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
  if ((uintptr_t)leave >> 32) {
    fprintf(stderr, "the harness must be linked below 4 GiB (-no-pie)\n");
    return 1;
  }
  static struct input in;
  static struct output out;
  uint8_t *code = (uint8_t *)CODE + 0x800;
  while (read_all(&in, sizeof in)) {
    memset(&out, 0, sizeof out);
    current = &out;
    out.trap = 0xffffffff;
    memset(code, 0xf4, 0x100); /* HLT faults in user mode */
    memcpy(code, in.code, in.length);
    uint8_t *exits[2] = {code + in.length, code + TAKEN};
    void (*stubs[2])(void) = {leave, leave_taken};
    for (int i = 0; i < 2; i++) {
      if (in.mode32) {
        uint32_t offset = (uint32_t)(uintptr_t)stubs[i];
        exits[i][0] = 0xea;
        memcpy(exits[i] + 1, &offset, 4);
        exits[i][5] = 0x33;
        exits[i][6] = 0;
      } else {
        uint64_t offset = (uint64_t)stubs[i];
        memcpy(exits[i], "\xff\x25\0\0\0\0", 6);
        memcpy(exits[i] + 6, &offset, 8);
      }
    }
    memcpy((void *)context->gpr, in.gpr, sizeof in.gpr);
    context->flags = in.flags;
    context->target = (uint64_t)code;
    context->taken = 0;
    context->far_offset = (uint32_t)(uintptr_t)code;
    context->far_selector = 0x23;
    memcpy((void *)context->fx, in.fx, 512);
    memcpy((void *)(DATA + in.window), in.memory, WINDOW);
    if (in.mode32) enter32();
    else enter64();
    memcpy(out.gpr, (void *)context->out, sizeof out.gpr);
    out.flags = context->out_flags;
    out.taken = (uint32_t)context->taken;
    memcpy(out.memory, (void *)(DATA + in.window), WINDOW);
    memcpy(out.fx, (void *)context->fx_out, 512);
    if (fwrite(&out, 1, sizeof out, stdout) != sizeof out) return 1;
  }
  return 0;
}
