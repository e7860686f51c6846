/*
 * Bytes over TCP between the guest and this computer, through whatever carries the guest's network: the guest listens,
 * a port of the host leads here (build/bench/network-host.mjs is the other end). The guest says what it wants, in two
 * 64-bit words, least significant byte first: 0 it sends or 1 it receives, and how many bytes.
 */
#define _GNU_SOURCE
#include "rows.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <net/route.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define WHOLE (256u << 20)
/* The bytes repeat after this many. */
#define PATTERN (1u << 20)
#define CHUNK (64u << 10)
/* Of what comes, this many bytes apart, a word is looked at: TCP's checksums are over all of it. */
#define STRIDE 512u
#define WORD 8u

enum { GUEST_SENDS, GUEST_RECEIVES };

static const char *const drivers[] = {"virtio_pci", "virtio_net", "e1000"};
static uint8_t *pattern;
static int listener = -1;

static void set_address(int control, unsigned long request, const char *address) {
  struct ifreq wish = {.ifr_name = "eth0"};
  struct sockaddr_in to = {.sin_family = AF_INET};
  inet_pton(AF_INET, address, &to.sin_addr);
  memcpy(&wish.ifr_addr, &to, sizeof to);
  if (ioctl(control, request, &wish) != 0) fail("the network card has no driver");
}

static void bring_up(void) {
  for (unsigned i = 0; i < sizeof drivers / sizeof *drivers; i++) load_driver(drivers[i]);
  int control = socket(AF_INET, SOCK_DGRAM, 0);
  set_address(control, SIOCSIFADDR, "10.0.2.15");
  set_address(control, SIOCSIFNETMASK, "255.255.255.0");
  struct ifreq up = {.ifr_name = "eth0", .ifr_flags = IFF_UP | IFF_RUNNING};
  if (ioctl(control, SIOCSIFFLAGS, &up) != 0) fail("the network card does not start");
  struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
  struct sockaddr_in any = {.sin_family = AF_INET}, gateway = any;
  inet_pton(AF_INET, "10.0.2.2", &gateway.sin_addr);
  memcpy(&route.rt_dst, &any, sizeof any);
  memcpy(&route.rt_genmask, &any, sizeof any);
  memcpy(&route.rt_gateway, &gateway, sizeof gateway);
  ioctl(control, SIOCADDRT, &route);
  close(control);
}

/* Listens before the row starts: the host connects when it hears of the start. */
static void prepare(void) {
  if (!pattern) {
    uint32_t state = 1;
    pattern = malloc(PATTERN);
    for (uint32_t at = 0; at < PATTERN; at += 4) {
      uint32_t word = next_random(&state);
      memcpy(pattern + at, &word, 4);
    }
  }
  if (listener >= 0) return;
  if (alone()) bring_up();
  int on = 1;
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(network_port())};
  if (!alone()) inet_pton(AF_INET, "127.0.0.1", &here.sin_addr);
  listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&here, sizeof here) != 0 || listen(listener, 4) != 0)
    fail("listen");
}

static int begin(uint64_t what, uint64_t bytes) {
  int peer = accept(listener, NULL, NULL);
  uint64_t wish[2] = {what, bytes};
  if (peer < 0 || write(peer, wish, sizeof wish) != sizeof wish) fail("accept");
  return peer;
}

/* The host answers with how many of the bytes were right. */
static uint64_t net_send(unsigned percent) {
  uint64_t left = part(WHOLE, percent);
  int peer = begin(GUEST_SENDS, left);
  for (uint64_t at = 0; left > 0;) {
    size_t offset = at % PATTERN;
    size_t count = PATTERN - offset < CHUNK ? PATTERN - offset : CHUNK;
    ssize_t sent = write(peer, pattern + offset, count < left ? count : left);
    if (sent <= 0) fail("write");
    at += (uint64_t)sent;
    left -= (uint64_t)sent;
  }
  uint64_t right = 0;
  if (recv(peer, &right, sizeof right, MSG_WAITALL) != sizeof right) fail("read");
  close(peer);
  return mix(MIX_START, right);
}

static uint64_t net_receive(unsigned percent) {
  static uint8_t buffer[CHUNK] __attribute__((aligned(64)));
  uint64_t all = part(WHOLE, percent), at = 0;
  int peer = begin(GUEST_RECEIVES, all);
  for (uint64_t next = 0; at < all;) {
    ssize_t got = read(peer, buffer, sizeof buffer);
    if (got <= 0) fail("read");
    for (; next + WORD <= at + (uint64_t)got; next += STRIDE)
      if (next >= at && memcmp(buffer + (next - at), pattern + next % PATTERN, WORD) != 0)
        fail("wrong bytes");
    at += (uint64_t)got;
  }
  close(peer);
  return mix(MIX_START, at);
}

const struct row network_rows[] = {
    {"net-send", prepare, net_send},
    {"net-receive", prepare, net_receive},
    {0},
};
