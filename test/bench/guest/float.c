/* Double precision: SSE2 in the 64-bit program, x87 in the 32-bit one. */
#include "rows.h"
#include <math.h>
#include <string.h>

static uint64_t bits(double value) {
  uint64_t word;
  memcpy(&word, &value, sizeof word);
  return word;
}

/* The planets of the n-body program of the Computer Language Benchmarks Game: a published set of initial values. */

struct body {
  double x, y, z, vx, vy, vz, mass;
};

#define PI 3.141592653589793
#define SOLAR_MASS (4 * PI * PI)
#define DAYS 365.24
#define BODIES 5

static const struct body start[BODIES] = {
    {0, 0, 0, 0, 0, 0, SOLAR_MASS},
    {4.84143144246472090e+00, -1.16032004402742839e+00, -1.03622044471123109e-01,
     1.66007664274403694e-03 * DAYS, 7.69901118419740425e-03 * DAYS, -6.90460016972063023e-05 * DAYS,
     9.54791938424326609e-04 * SOLAR_MASS},
    {8.34336671824457987e+00, 4.12479856412430479e+00, -4.03523417114321381e-01,
     -2.76742510726411899e-03 * DAYS, 4.99852801234917238e-03 * DAYS, 2.30417297573763929e-05 * DAYS,
     2.85885980666130812e-04 * SOLAR_MASS},
    {1.28943695621391310e+01, -1.51111514016986312e+01, -2.23307578892655734e-01,
     2.96460137564761618e-03 * DAYS, 2.37847173959480950e-03 * DAYS, -2.96589568540237556e-05 * DAYS,
     4.36624404335156298e-05 * SOLAR_MASS},
    {1.53796971148509165e+01, -2.59193146099879641e+01, 1.79258772950371181e-01,
     2.68067772490389322e-03 * DAYS, 1.62824170038242295e-03 * DAYS, -9.51592254519715870e-05 * DAYS,
     5.15138902046611451e-05 * SOLAR_MASS},
};

static void advance(struct body *b, double dt) {
  for (int i = 0; i < BODIES; i++) {
    for (int j = i + 1; j < BODIES; j++) {
      double dx = b[i].x - b[j].x, dy = b[i].y - b[j].y, dz = b[i].z - b[j].z;
      double square = dx * dx + dy * dy + dz * dz;
      double factor = dt / (square * sqrt(square));
      b[i].vx -= dx * b[j].mass * factor;
      b[i].vy -= dy * b[j].mass * factor;
      b[i].vz -= dz * b[j].mass * factor;
      b[j].vx += dx * b[i].mass * factor;
      b[j].vy += dy * b[i].mass * factor;
      b[j].vz += dz * b[i].mass * factor;
    }
  }
  for (int i = 0; i < BODIES; i++) {
    b[i].x += dt * b[i].vx;
    b[i].y += dt * b[i].vy;
    b[i].z += dt * b[i].vz;
  }
}

static uint64_t nbody(unsigned percent) {
  struct body b[BODIES];
  memcpy(b, start, sizeof b);
  for (unsigned i = 0; i < part(400000, percent); i++) advance(b, 0.01);
  uint64_t sum = MIX_START;
  for (int i = 0; i < BODIES; i++) sum = mix(mix(mix(sum, bits(b[i].x)), bits(b[i].y)), bits(b[i].z));
  return sum;
}

#define N 160

static uint64_t matmul(unsigned percent) {
  static double a[N][N], b[N][N], c[N][N];
  uint32_t random = 3;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      a[i][j] = next_random(&random) * 0x1p-32 - 0.5;
      b[i][j] = next_random(&random) * 0x1p-32 - 0.5;
    }
  uint64_t sum = MIX_START;
  for (unsigned times = 0; times < part(15, percent); times++) {
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++) {
        double total = 0;
        for (int k = 0; k < N; k++) total += a[i][k] * b[k][j];
        c[i][j] = total;
      }
    for (int i = 0; i < N; i++) sum = mix(sum, bits(c[i][(i * 7) % N]));
    memcpy(a, c, sizeof a);
  }
  return sum;
}

const struct row float_rows[] = {
    {"nbody", NULL, nbody},
    {"matmul", NULL, matmul},
    {0},
};
