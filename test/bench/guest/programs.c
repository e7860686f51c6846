/* Whole programs on real data, the preprocessed source of the Tiny C Compiler: zlib packs it, the compiler compiles it. */
#define _GNU_SOURCE
#include "rows.h"
#include "zlib.h"
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char compiler[PATH_MAX], input[PATH_MAX], object[PATH_MAX];
static const char *folder;

void set_folders(const char *programs, const char *scratch) {
  snprintf(compiler, sizeof compiler, "%s/tcc", programs);
  snprintf(input, sizeof input, "%s/tcc.i", programs);
  snprintf(object, sizeof object, "%s/tcc.o", scratch);
  folder = scratch;
}

const char *scratch_folder(void) { return folder; }

struct content {
  unsigned char *bytes;
  size_t length;
};

static struct content source;

static struct content slurp(const char *path) {
  struct content content = {0};
  struct stat status;
  int file = open(path, O_RDONLY);
  if (file < 0 || fstat(file, &status) != 0) fail(path);
  content.bytes = malloc((size_t)status.st_size);
  while (content.bytes && content.length < (size_t)status.st_size) {
    ssize_t got = read(file, content.bytes + content.length, (size_t)status.st_size - content.length);
    if (got <= 0) fail(path);
    content.length += (size_t)got;
  }
  close(file);
  return content;
}

static void prepare_gzip(void) {
  if (!source.bytes) source = slurp(input);
}

/* Packs as `gzip -6` does, unpacks, and compares. */
static uint64_t gzip(unsigned percent) {
  uLong length = (uLong)source.length;
  uLong room = compressBound(length);
  unsigned char *packed = malloc(room), *unpacked = malloc(length);
  if (!packed || !unpacked) fail("no memory");
  uint64_t sum = MIX_START;
  for (unsigned times = 0; times < part(5, percent); times++) {
    uLongf packed_length = room, unpacked_length = length;
    source.bytes[times] = '\n';
    if (compress2(packed, &packed_length, source.bytes, length, 6) != Z_OK) fail("compress2");
    if (uncompress(unpacked, &unpacked_length, packed, packed_length) != Z_OK) fail("uncompress");
    if (unpacked_length != length || memcmp(unpacked, source.bytes, length) != 0) fail("zlib");
    sum = mix(mix(sum, packed_length), crc32(0, packed, (uInt)packed_length));
  }
  free(packed);
  free(unpacked);
  return sum;
}

static uint64_t compile(unsigned percent) {
  uint64_t sum = MIX_START;
  for (unsigned times = 0; times < part(4, percent); times++) {
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      execl(compiler, compiler, "-c", input, "-o", object, (char *)NULL);
      _exit(127);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0) fail(compiler);
    struct content made = slurp(object);
    sum = mix(sum, crc32(0, made.bytes, (uInt)made.length));
    free(made.bytes);
    unlink(object);
  }
  return sum;
}

const struct row program_rows[] = {
    {"gzip", prepare_gzip, gzip},
    {"compiler", NULL, compile},
    {0},
};
