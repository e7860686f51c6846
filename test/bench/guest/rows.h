/*
 * A row of the benchmark: one kind of work whose speed is compared. Every row computes a checksum over what it did, so
 * that a peer which calculates wrongly cannot look fast.
 */
#ifndef ROWS_H
#define ROWS_H

#include <stdint.h>

struct row {
  const char *name;
  /* Makes the input; not timed. May be null. */
  void (*prepare)(void);
  /* Does the work; `percent` is its amount, 100 for the whole. Returns the checksum. */
  uint64_t (*run)(unsigned percent);
};

extern const struct row integer_rows[];
extern const struct row float_rows[];
extern const struct row memory_rows[];
extern const struct row kernel_rows[];
extern const struct row program_rows[];
extern const struct row network_rows[];
extern const struct row disk_rows[];

/* Prints "BENCH error" and why, and ends the row. */
void fail(const char *what) __attribute__((noreturn));

/* Where the compiler and its input lie, and where its output goes. */
void set_folders(const char *programs, const char *scratch);
const char *scratch_folder(void);

/* True in a machine of its own, as its first process; false for the native figures. */
int alone(void);

/* Loads a driver and what it depends on; nothing happens when the guest has none of that name or it is loaded. */
void load_driver(const char *name);

/* Where a guest listens. */
uint16_t network_port(void);

/* Part of a whole amount of work, at least 1. */
static inline unsigned part(unsigned whole, unsigned percent) {
  unsigned amount = (unsigned)((uint64_t)whole * percent / 100);
  return amount > 0 ? amount : 1;
}

/* One step of FNV-1a over 64-bit words. */
static inline uint64_t mix(uint64_t sum, uint64_t value) {
  return (sum ^ value) * 0x100000001b3ull;
}

#define MIX_START 0xcbf29ce484222325ull

/* Marsaglia's xorshift32: the same numbers for every guest. */
static inline uint32_t next_random(uint32_t *state) {
  uint32_t x = *state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return *state = x;
}

#endif
