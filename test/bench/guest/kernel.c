/* Work that the guest's kernel does: system calls, processes, page faults, pipes. */
#define _GNU_SOURCE
#include "rows.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t getppid_loop(unsigned percent) {
  pid_t parent = getppid();
  uint64_t same = 0;
  unsigned count = part(1000000, percent);
  for (unsigned i = 0; i < count; i++) same += getppid() == parent;
  return mix(MIX_START, same);
}

static uint64_t fork_wait(unsigned percent) {
  uint64_t sum = MIX_START;
  for (unsigned i = 0; i < part(800, percent); i++) {
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) _exit((int)(i & 63));
    int status;
    if (waitpid(child, &status, 0) != child) fail("waitpid");
    sum = mix(sum, (uint64_t)WEXITSTATUS(status));
  }
  return sum;
}

#define PAGE 4096u
#define TOUCHED (32u << 20)

static uint64_t page_touch(unsigned percent) {
  uint64_t sum = MIX_START;
  for (unsigned times = 0; times < part(8, percent); times++) {
    volatile uint8_t *pages =
        mmap(NULL, TOUCHED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) fail("mmap");
    /* Small pages, whatever the kernel's default for huge ones is. */
    madvise((void *)pages, TOUCHED, MADV_NOHUGEPAGE);
    for (unsigned at = 0; at < TOUCHED; at += PAGE) pages[at] = (uint8_t)(at >> 12);
    for (unsigned at = 0; at < TOUCHED; at += PAGE * 16) sum = mix(sum, pages[at]);
    munmap((void *)pages, TOUCHED);
  }
  return sum;
}

static uint64_t pipe_ping_pong(unsigned percent) {
  int there[2], back[2];
  if (pipe(there) != 0 || pipe(back) != 0) fail("pipe");
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    uint32_t value;
    close(there[1]);
    close(back[0]);
    while (read(there[0], &value, sizeof value) == sizeof value) {
      value = value * 1664525 + 1013904223;
      if (write(back[1], &value, sizeof value) != sizeof value) _exit(1);
    }
    _exit(0);
  }
  close(there[0]);
  close(back[1]);
  uint32_t value = 1;
  for (unsigned i = 0; i < part(10000, percent); i++) {
    if (write(there[1], &value, sizeof value) != sizeof value) fail("write");
    if (read(back[0], &value, sizeof value) != sizeof value) fail("read");
  }
  close(there[1]);
  close(back[0]);
  waitpid(child, NULL, 0);
  return mix(MIX_START, value);
}

const struct row kernel_rows[] = {
    {"getppid", NULL, getppid_loop},
    {"fork", NULL, fork_wait},
    {"page-touch", NULL, page_touch},
    {"pipe", NULL, pipe_ping_pong},
    {0},
};
