/* Integer work in user mode: hashing, sorting, an interpreter. */
#include "rows.h"
#include <stdlib.h>
#include <string.h>

/* SHA-256, FIPS 180-4. */

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotr(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void sha256_block(uint32_t h[8], const uint8_t *p) {
  uint32_t w[64];
  for (int i = 0; i < 16; i++)
    w[i] = (uint32_t)p[i * 4] << 24 | p[i * 4 + 1] << 16 | p[i * 4 + 2] << 8 | p[i * 4 + 3];
  for (int i = 16; i < 64; i++) {
    uint32_t s0 = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
    uint32_t s1 = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], k = h[7];
  for (int i = 0; i < 64; i++) {
    uint32_t t1 = k + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i];
    uint32_t t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    k = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e, h[5] += f, h[6] += g, h[7] += k;
}

static uint64_t sha256(unsigned percent) {
  static uint8_t data[65536];
  uint32_t random = 1;
  for (unsigned i = 0; i < sizeof data; i++) data[i] = (uint8_t)next_random(&random);
  uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  for (unsigned i = 0; i < part(400, percent); i++)
    for (unsigned at = 0; at < sizeof data; at += 64) sha256_block(h, data + at);
  uint64_t sum = MIX_START;
  for (int i = 0; i < 8; i++) sum = mix(sum, h[i]);
  return sum;
}

/* The C library's qsort with a comparison through a pointer, as programs use it. */

#define SORTED 1000000u
static uint32_t *numbers;

static int compare(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static void prepare_sort(void) {
  if (!numbers) numbers = malloc(SORTED * sizeof *numbers);
  if (!numbers) fail("no memory");
  uint32_t random = 7;
  for (unsigned i = 0; i < SORTED; i++) numbers[i] = next_random(&random);
}

static uint64_t sort(unsigned percent) {
  unsigned count = part(SORTED, percent);
  qsort(numbers, count, sizeof *numbers, compare);
  uint64_t sum = MIX_START;
  for (unsigned i = 0; i < count; i += 97) sum = mix(sum, numbers[i]);
  return sum;
}

/* A register machine of 32-bit words with the usual loop around a switch. It sieves primes, then walks Collatz chains. */

enum { SET, ADD, ADDI, SUB, MULI, ANDI, SHR, LOAD, STORE, JUMP, JLT, JZ, STOP };

struct instruction {
  uint8_t op, a, b;
  int32_t c;
};

static uint32_t interpret(const struct instruction *program, uint32_t *memory, uint32_t r[8]) {
  const struct instruction *at = program;
  for (;;) {
    const struct instruction i = *at++;
    switch (i.op) {
    case SET: r[i.a] = (uint32_t)i.c; break;
    case ADD: r[i.a] += r[i.b]; break;
    case ADDI: r[i.a] = r[i.b] + (uint32_t)i.c; break;
    case SUB: r[i.a] -= r[i.b]; break;
    case MULI: r[i.a] = r[i.b] * (uint32_t)i.c; break;
    case ANDI: r[i.a] = r[i.b] & (uint32_t)i.c; break;
    case SHR: r[i.a] = r[i.b] >> i.c; break;
    case LOAD: r[i.a] = memory[r[i.b]]; break;
    case STORE: memory[r[i.b]] = r[i.a]; break;
    case JUMP: at = program + i.c; break;
    case JLT: if (r[i.a] < r[i.b]) at = program + i.c; break;
    case JZ: if (r[i.a] == 0) at = program + i.c; break;
    case STOP: return r[i.a];
    }
  }
}

#define SIEVE 20000
/* r0 zero, r1 limit, r2 candidate, r3 count, r4 and r5 scratch, r6 one */
static const struct instruction sieve_program[] = {
    {SET, 1, 0, SIEVE}, {SET, 2, 0, 2},   {SET, 3, 0, 0},    {SET, 6, 0, 1},
    {LOAD, 4, 2, 0},    {JZ, 4, 0, 7},    {JUMP, 0, 0, 12},  {ADDI, 3, 3, 1},
    {ADDI, 5, 2, 0},    {ADD, 5, 2, 0},   {JLT, 5, 1, 15},   {JUMP, 0, 0, 12},
    {ADDI, 2, 2, 1},    {JLT, 2, 1, 4},   {STOP, 3, 0, 0},   {STORE, 6, 5, 0},
    {ADD, 5, 2, 0},     {JLT, 5, 1, 15},  {JUMP, 0, 0, 12},
};
/* r1 limit, r2 start, r3 steps in all, r4 number, r5 scratch */
static const struct instruction collatz_program[] = {
    {SET, 1, 0, 8000},  {SET, 2, 0, 2},   {SET, 3, 0, 0},    {SET, 6, 0, 2},
    {ADDI, 4, 2, 0},    {ANDI, 5, 4, 1},  {ADDI, 3, 3, 1},   {JZ, 5, 0, 11},
    {MULI, 4, 4, 3},    {ADDI, 4, 4, 1},  {JUMP, 0, 0, 5},   {SHR, 4, 4, 1},
    {JLT, 4, 6, 14},    {JUMP, 0, 0, 5},  {ADDI, 2, 2, 1},   {JLT, 2, 1, 4},
    {STOP, 3, 0, 0},
};

static uint64_t bytecode(unsigned percent) {
  static uint32_t memory[SIEVE];
  uint64_t sum = MIX_START;
  for (unsigned i = 0; i < part(12, percent); i++) {
    uint32_t r[8] = {0};
    memset(memory, 0, sizeof memory);
    sum = mix(sum, interpret(sieve_program, memory, r));
    sum = mix(sum, interpret(collatz_program, memory, r));
  }
  return sum;
}

const struct row integer_rows[] = {
    {"sha256", NULL, sha256},
    {"qsort", prepare_sort, sort},
    {"bytecode", NULL, bytecode},
    {0},
};
