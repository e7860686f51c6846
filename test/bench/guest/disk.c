/*
 * Disks, past the page cache (O_DIRECT) so that controller, driver and image are measured: one after the other 1 MiB at
 * a time, and 4 KiB at random with 16 requests under way. No flush: the write cache of the disk is on.
 * build/bench/disk-image.mjs makes the images, one a bus.
 */
#define _GNU_SOURCE
#include "rows.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IMAGE (128u << 20)
#define BLOCK (1u << 20)
#define PAGE 4096u
/* Of 1 MiB each, over and over. */
#define SEQUENTIAL 512u
#define RANDOM 8192u
#define DEPTH 16u
#define PATIENCE 1200

enum bus { IDE, SATA, VIRTIO, BUSES };

static const char *const nodes[BUSES] = {"sda", "sdb", "vda"};
static const char *const drivers[BUSES] = {"ata_piix", "ahci", "virtio_blk"};
static int disks[BUSES] = {-1, -1, -1};
static uint8_t *buffer;

static void await(const char *node) {
  for (int i = 0; i < PATIENCE; i++) {
    struct stat what;
    if (stat(node, &what) == 0) return;
    usleep(50000);
  }
  fail("a disk has no driver");
}

/* Names are given in the order of drivers: each is waited for before the next one is loaded. */
static void load_disks(void) {
  mkdir("/tmp/dev", 0755);
  if (mount("dev", "/tmp/dev", "devtmpfs", 0, NULL) != 0 && errno != EBUSY) fail("devtmpfs");
  load_driver("sd_mod");
  load_driver("virtio_pci");
  for (int bus = 0; bus < BUSES; bus++) {
    char node[32];
    snprintf(node, sizeof node, "/tmp/dev/%s", nodes[bus]);
    load_driver(drivers[bus]);
    await(node);
  }
}

static int open_disk(const char *path) {
  int disk = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
  /* Not every file system of a host knows O_DIRECT. */
  if (disk < 0 && errno == EINVAL && !alone()) disk = open(path, O_RDWR | O_CLOEXEC);
  if (disk < 0) fail("a disk does not open");
  return disk;
}

static void prepare(void) {
  if (buffer) return;
  if (alone()) load_disks();
  for (int bus = 0; bus < BUSES; bus++) {
    char path[256];
    if (alone())
      snprintf(path, sizeof path, "/tmp/dev/%s", nodes[bus]);
    else
      snprintf(path, sizeof path, "%s/disk%d.img", scratch_folder(), bus);
    disks[bus] = open_disk(path);
  }
  if (posix_memalign((void **)&buffer, PAGE, BLOCK) != 0) fail("memory");
  memset(buffer, 0x5a, BLOCK);
}

static uint64_t first_word(const uint8_t *page) {
  uint64_t word;
  memcpy(&word, page, sizeof word);
  return word;
}

static uint64_t read_all(enum bus bus, unsigned percent) {
  uint64_t sum = MIX_START;
  for (unsigned i = 0; i < part(SEQUENTIAL, percent); i++) {
    off_t at = (off_t)i * BLOCK % IMAGE;
    if (pread(disks[bus], buffer, BLOCK, at) != (ssize_t)BLOCK) fail("read");
    for (unsigned page = 0; page < BLOCK; page += PAGE) sum = mix(sum, first_word(buffer + page));
  }
  return sum;
}

/* The first word of a page is its number, as in the image from the start; the rest is other data. */
static void stamp(uint8_t *page, uint64_t number) { memcpy(page, &number, sizeof number); }

static uint64_t read_back(enum bus bus) {
  uint64_t sum = MIX_START;
  for (unsigned at = 0; at < IMAGE; at += IMAGE / 16) {
    if (pread(disks[bus], buffer, PAGE, at) != (ssize_t)PAGE) fail("read");
    sum = mix(sum, first_word(buffer));
    sum = mix(sum, first_word(buffer + PAGE - 8));
  }
  memset(buffer, 0x5a, PAGE);
  return sum;
}

static uint64_t write_all(enum bus bus, unsigned percent) {
  for (unsigned i = 0; i < part(SEQUENTIAL, percent); i++) {
    off_t at = (off_t)i * BLOCK % IMAGE;
    for (unsigned page = 0; page < BLOCK; page += PAGE)
      stamp(buffer + page, ((uint64_t)at + page) / PAGE);
    if (pwrite(disks[bus], buffer, BLOCK, at) != (ssize_t)BLOCK) fail("write");
  }
  return read_back(bus);
}

static void fill(struct iocb *request, enum bus bus, int opcode, uint64_t page, uint8_t *memory) {
  memset(request, 0, sizeof *request);
  request->aio_lio_opcode = (uint16_t)opcode;
  request->aio_fildes = (uint32_t)disks[bus];
  request->aio_buf = (uintptr_t)memory;
  request->aio_nbytes = PAGE;
  request->aio_offset = (int64_t)(page * PAGE);
  if (opcode == IOCB_CMD_PWRITE) stamp(memory, page);
}

/* Requests end in any order: the sum does not depend on it. */
static uint64_t at_random(enum bus bus, int opcode, unsigned percent) {
  static struct iocb requests[DEPTH];
  struct iocb *idle[DEPTH];
  unsigned left = part(RANDOM, percent), idle_count = DEPTH;
  uint32_t state = 1;
  uint64_t sum = 0;
  aio_context_t context = 0;
  if (syscall(SYS_io_setup, DEPTH, &context) != 0) fail("io_setup");
  for (unsigned i = 0; i < DEPTH; i++) idle[i] = &requests[i];
  while (left > 0 || idle_count < DEPTH) {
    unsigned count = idle_count < left ? idle_count : left;
    struct iocb **batch = idle + idle_count - count;
    for (unsigned i = 0; i < count; i++) {
      uint64_t page = next_random(&state) % (IMAGE / PAGE);
      fill(batch[i], bus, opcode, page, buffer + (size_t)(batch[i] - requests) * PAGE);
    }
    if (count > 0 && syscall(SYS_io_submit, context, (long)count, batch) != (long)count)
      fail("io_submit");
    left -= count;
    idle_count -= count;
    struct io_event events[DEPTH];
    long done = syscall(SYS_io_getevents, context, 1L, (long)DEPTH, events, NULL);
    if (done < 1) fail("io_getevents");
    for (long i = 0; i < done; i++) {
      struct iocb *request = (struct iocb *)(uintptr_t)events[i].obj;
      if (events[i].res != (int64_t)PAGE) fail("a request");
      sum += mix(MIX_START, first_word((uint8_t *)(uintptr_t)request->aio_buf));
      idle[idle_count++] = request;
    }
  }
  syscall(SYS_io_destroy, context);
  return sum;
}

static uint64_t write_at_random(enum bus bus, unsigned percent) {
  uint64_t sum = at_random(bus, IOCB_CMD_PWRITE, percent);
  return sum + read_back(bus);
}

#define ROWS_OF(name, bus)                                                                        \
  static uint64_t name##_read(unsigned percent) { return read_all(bus, percent); }                \
  static uint64_t name##_write(unsigned percent) { return write_all(bus, percent); }              \
  static uint64_t name##_randread(unsigned percent) {                                             \
    return at_random(bus, IOCB_CMD_PREAD, percent);                                               \
  }                                                                                               \
  static uint64_t name##_randwrite(unsigned percent) { return write_at_random(bus, percent); }

ROWS_OF(ide, IDE)
ROWS_OF(sata, SATA)
ROWS_OF(virtio, VIRTIO)

#define NAMES_OF(name)                                                                            \
  {"disk-read-" #name, prepare, name##_read}, {"disk-randread-" #name, prepare, name##_randread}, \
      {"disk-write-" #name, prepare, name##_write},                                               \
      {"disk-randwrite-" #name, prepare, name##_randwrite}

const struct row disk_rows[] = {NAMES_OF(ide), NAMES_OF(sata), NAMES_OF(virtio), {0}};
