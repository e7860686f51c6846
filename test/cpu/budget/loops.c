/*
 * Guest loops of the translator's budget. Each is linked by itself at 0x100000 and runs for ever; assemble.mjs makes
 * loops.json of them. The committed bytes are what is measured: another compiler does not change the figures.
 */
typedef unsigned char u8;
typedef unsigned int u32;

#define DATA ((u8 *)0x200000)

__asm__(".section .start,\"ax\"\n.globl _start\n_start:\n"
#ifdef __x86_64__
        "mov $0x180000,%rsp\n1: call loop\njmp 1b\n.text");
#else
        "mov $0x180000,%esp\n1: call loop\njmp 1b\n.text");
#endif

#ifdef LOOP_sha256
/* FIPS 180-4 section 6.2.2, the compression of one block; constants stand in guest data. */
#define ROR(x, n) ((x) >> (n) | (x) << (32 - (n)))
void loop(void) {
  u32 *state = (u32 *)DATA, *block = state + 8, *k = state + 64, w[64];
  for (int i = 0; i < 16; i++) w[i] = __builtin_bswap32(block[i]);
  for (int i = 16; i < 64; i++) {
    u32 s0 = ROR(w[i - 15], 7) ^ ROR(w[i - 15], 18) ^ w[i - 15] >> 3;
    u32 s1 = ROR(w[i - 2], 17) ^ ROR(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  u32 a = state[0], b = state[1], c = state[2], d = state[3];
  u32 e = state[4], f = state[5], g = state[6], h = state[7];
  for (int i = 0; i < 64; i++) {
    u32 t1 = h + (ROR(e, 6) ^ ROR(e, 11) ^ ROR(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i];
    u32 t2 = (ROR(a, 2) ^ ROR(a, 13) ^ ROR(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}
#endif

#ifdef LOOP_memcpy
void loop(void) {
  unsigned long *from = (unsigned long *)DATA, *to = (unsigned long *)(DATA + 0x8000);
  for (int i = 0; i < 0x8000 / (int)sizeof *to; i += 4) {
    unsigned long a = from[i], b = from[i + 1], c = from[i + 2], d = from[i + 3];
    to[i] = a, to[i + 1] = b, to[i + 2] = c, to[i + 3] = d;
  }
}
#endif

#ifdef LOOP_partition
/* Hoare's partition, as quicksort calls it, of numbers that are mixed again each time. */
void loop(void) {
  u32 *v = (u32 *)DATA;
  int i = -1, j = 256;
  for (u32 n = 0, x = v[0] | 1; n < 256; n++) v[n] = x = x * 1664525 + 1013904223;
  u32 pivot = v[128];
  for (;;) {
    do i++; while (v[i] < pivot);
    do j--; while (v[j] > pivot);
    if (i >= j) return;
    u32 t = v[i];
    v[i] = v[j], v[j] = t;
  }
}
#endif

#ifdef LOOP_bytecode
/* A stack machine with a switch: an indirect jump for each operation. */
void loop(void) {
  static const u8 program[] = {0, 7, 0, 3, 1, 2, 4, 3, 0, 5, 5, 6, 7, 1, 8, 0};
  u32 stack[32], *sp = stack, acc = *(u32 *)DATA;
  for (u32 pc = 0, steps = 0; steps < 4096; steps++) {
    if (sp < stack + 4 || sp > stack + 28) sp = stack + 16;
    switch (program[pc++ & 15]) {
      case 0: *sp++ = program[pc++ & 15]; break;
      case 1: sp--; sp[-1] += sp[0]; break;
      case 2: sp[-1] ^= acc; break;
      case 3: acc = acc * 31 + sp[-1]; break;
      case 4: sp[-1] = sp[-1] << 3 | sp[-1] >> 29; break;
      case 5: *sp = sp[-1], sp++; break;
      case 6: sp--; sp[-1] &= sp[0]; break;
      case 7: if (acc & 1) pc += 2; break;
      case 8: acc -= pc; break;
    }
  }
  *(u32 *)DATA = acc;
}
#endif

#ifdef LOOP_matmul
typedef double v2 __attribute__((vector_size(16)));
void loop(void) {
  v2 *a = (v2 *)DATA, *b = a + 128, *c = b + 128;
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 8; j++) {
      v2 sum = {0, 0};
      for (int k = 0; k < 16; k++) {
        double x = ((double *)a)[i * 16 + k];
        sum += (v2){x, x} * b[k * 8 + j];
      }
      c[i * 8 + j] = sum;
    }
}
#endif

#ifdef LOOP_calls
static __attribute__((noinline)) u32 fib(u32 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
static __attribute__((noinline)) u32 add(u32 a, u32 b) { return a + b; }
static __attribute__((noinline)) u32 sub(u32 a, u32 b) { return a - b; }
void loop(void) {
  u32 (*volatile chosen)(u32, u32) = *(u32 *)DATA & 4 ? add : sub;
  *(u32 *)DATA += chosen(fib(12), 3);
}
#endif

#ifdef LOOP_syscall
/* What a kernel does between SYSCALL and SYSRET (64-bit), SYSENTER and SYSEXIT (32-bit): registers saved, a table called. */
static __attribute__((noinline, used)) u32 getpid(u32 a) { return *(volatile u32 *)(DATA + 64) + a; }
static __attribute__((noinline, used)) u32 refuse(u32 a) { return -38 - a * 0; }
static u32 (*const table[4])(u32) __attribute__((used)) = {refuse, getpid, getpid, refuse};
#ifdef __x86_64__
__asm__(".globl entry\nentry:\n"
        "swapgs\nmov %rsp,0x200100\nmov $0x190000,%rsp\npush $0x2b\npush 0x200100\npush %r11\npush $0x33\npush %rcx\n"
        "push %rax\npush %rdi\npush %rsi\npush %rdx\npush %r8\npush %r9\npush %r10\npush %rbx\n"
        "and $3,%eax\nmov table(,%rax,8),%rax\ncall *%rax\n"
        "pop %rbx\npop %r10\npop %r9\npop %r8\npop %rdx\npop %rsi\npop %rdi\nadd $8,%rsp\n"
        "pop %rcx\nadd $8,%rsp\npop %r11\npop %rsp\nswapgs\nsysretq\n");
void loop(void) {
  for (int i = 0; i < 64; i++) {
    unsigned long number = i, arg = i, result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(arg) : "rcx", "r11", "memory");
    *(u32 *)(DATA + 128) += result;
  }
}
#else
__asm__(".globl entry\nentry:\n"
        "push %ecx\npush %edx\npush %ebx\npush %esi\npush %edi\npush %ebp\n"
        "and $3,%eax\npush %ebx\ncall *table(,%eax,4)\nadd $4,%esp\n"
        "pop %ebp\npop %edi\npop %esi\npop %ebx\npop %edx\npop %ecx\nsysexit\n");
void loop(void) {
  for (int i = 0; i < 64; i++) {
    u32 number = i, arg = i, result;
    __asm__ volatile("mov %%esp,%%ecx\nmov $1f,%%edx\nsysenter\n1:" : "=a"(result) : "a"(number), "b"(arg) : "ecx", "edx", "memory");
    *(u32 *)(DATA + 128) += result;
  }
}
#endif
#endif
