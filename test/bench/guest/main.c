/*
 * Process 1 of a benchmark guest. Obeys lines from the console and answers there:
 *
 *   run NAME TIMES PERCENT   each time BENCH start NAME when the input is there, then BENCH row NAME TIME-IN-NS
 *                            CHECKSUM; BENCH done NAME at the end
 *   list                     BENCH name NAME for every row, then BENCH done list
 *   off                      powers the machine off
 *
 * Times are CLOCK_MONOTONIC of the guest. Started as an ordinary program, with the folder of the compiler, one for its
 * output and a port to listen on, it does the same without touching the system: that gives the native figures.
 */
#define _GNU_SOURCE
#include "rows.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static const struct row *const tables[] = {
    integer_rows, float_rows, memory_rows, kernel_rows, program_rows, network_rows, disk_rows,
};
#define TABLES (sizeof tables / sizeof *tables)

#define GUEST_PORT 7000

static int first_process;
static uint16_t port = GUEST_PORT;

int alone(void) { return first_process; }

uint16_t network_port(void) { return port; }

void fail(const char *what) {
  printf("BENCH error %s\n", what);
  fflush(stdout);
  _exit(1);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const struct row *find(const char *name) {
  for (unsigned i = 0; i < TABLES; i++)
    for (const struct row *row = tables[i]; row->name; row++)
      if (strcmp(row->name, name) == 0) return row;
  return NULL;
}

/* MODULES/NAME.order names the modules to load, one a line, the driver last (build/guests/drivers.mjs). */
void load_driver(const char *name) {
  char path[96], module[64];
  snprintf(path, sizeof path, "/modules/%s.order", name);
  FILE *order = fopen(path, "r");
  while (order && fscanf(order, "%63s", module) == 1) {
    snprintf(path, sizeof path, "/modules/%s.ko", module);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    syscall(SYS_finit_module, file, "", 0);
    close(file);
  }
  if (order) fclose(order);
}

/* In a process of its own: what a row keeps in memory is not there when the next one forks. */
static void run_times(const struct row *row, unsigned times, unsigned percent) {
  for (unsigned i = 0; i < times; i++) {
    if (row->prepare) row->prepare();
    printf("BENCH start %s\n", row->name);
    uint64_t start = now_ns();
    uint64_t sum = row->run(percent);
    uint64_t took = now_ns() - start;
    printf("BENCH row %s %llu %016llx\n", row->name, (unsigned long long)took,
           (unsigned long long)sum);
  }
}

static void run(const char *name, unsigned times, unsigned percent) {
  const struct row *row = find(name);
  if (!row) {
    printf("BENCH error there is no row %s\n", name);
    return;
  }
  pid_t child = fork();
  if (child == 0) {
    run_times(row, times, percent);
    exit(0);
  }
  int status;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
    printf("BENCH error %s ended early\n", name);
  else
    printf("BENCH done %s\n", name);
}

static void list(void) {
  for (unsigned i = 0; i < TABLES; i++)
    for (const struct row *row = tables[i]; row->name; row++) printf("BENCH name %s\n", row->name);
  printf("BENCH done list\n");
}

static void quiet_terminal(void) {
  struct termios t;
  if (tcgetattr(0, &t) != 0) return;
  t.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
  t.c_iflag |= ICRNL;
  t.c_oflag &= ~(tcflag_t)OPOST;
  tcsetattr(0, TCSANOW, &t);
}

int main(int count, char **arguments) {
  first_process = getpid() == 1;
  set_folders(count == 4 ? arguments[1] : "/bench", count == 4 ? arguments[2] : "/tmp");
  if (count == 4) port = (uint16_t)atoi(arguments[3]);
  if (first_process) {
    mount("proc", "/proc", "proc", 0, NULL);
    mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
    quiet_terminal();
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("BENCH ready\n");
  char line[128];
  while (fgets(line, sizeof line, stdin)) {
    char name[32];
    unsigned times, percent;
    if (sscanf(line, "run %31s %u %u", name, &times, &percent) == 3)
      run(name, times, percent);
    else if (strncmp(line, "list", 4) == 0)
      list();
    else if (strncmp(line, "off", 3) == 0)
      break;
    fflush(stdout);
  }
  if (first_process) reboot(RB_POWER_OFF);
  return 0;
}
