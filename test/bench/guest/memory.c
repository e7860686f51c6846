/* Memory: long copies by the C library, and loads that depend on one another. */
#include "rows.h"
#include <stdlib.h>
#include <string.h>

#define COPY_BYTES (16u << 20)
static uint8_t *from, *to;

static void prepare_copy(void) {
  if (from) return;
  from = malloc(COPY_BYTES);
  to = malloc(COPY_BYTES);
  if (!from || !to) fail("no memory");
  uint32_t random = 11;
  for (unsigned i = 0; i < COPY_BYTES; i += 4) {
    uint32_t word = next_random(&random);
    memcpy(from + i, &word, 4);
  }
  memset(to, 0, COPY_BYTES);
}

static uint64_t copy(unsigned percent) {
  uint64_t sum = MIX_START;
  for (unsigned i = 0; i < part(40, percent); i++) {
    from[i * 4099] = (uint8_t)i;
    memcpy(to, from, COPY_BYTES);
    sum = mix(sum, to[i * 4099] + to[COPY_BYTES - 1 - i]);
  }
  for (unsigned i = 0; i < COPY_BYTES; i += 4093) sum = mix(sum, to[i]);
  return sum;
}

/* One cycle through all nodes in random order, a node in a cache line of its own. */

struct node {
  struct node *next;
  uint32_t number;
  char rest[64 - sizeof(struct node *) - 4];
};

#define NODES 65536u
static struct node *nodes;

static void prepare_chase(void) {
  if (nodes) return;
  nodes = malloc(NODES * sizeof *nodes);
  uint32_t *order = malloc(NODES * sizeof *order);
  if (!nodes || !order) fail("no memory");
  for (unsigned i = 0; i < NODES; i++) order[i] = i;
  uint32_t random = 5;
  for (unsigned i = NODES - 1; i > 0; i--) {
    unsigned j = next_random(&random) % (i + 1);
    uint32_t kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
  for (unsigned i = 0; i < NODES; i++) {
    nodes[order[i]].next = &nodes[order[(i + 1) % NODES]];
    nodes[order[i]].number = order[i];
  }
  free(order);
}

static uint64_t chase(unsigned percent) {
  const struct node *at = nodes;
  for (unsigned i = 0; i < part(8000000, percent); i++) at = at->next;
  return mix(MIX_START, at->number);
}

const struct row memory_rows[] = {
    {"memcpy", prepare_copy, copy},
    {"chase", prepare_chase, chase},
    {0},
};
