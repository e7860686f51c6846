// What is measured: rows of the guest program (test/bench/guest), and boots.

/**
 * Rows of the guest program. `quick` is the part of the work, in percent, that a quick run does; 32-bit guests do
 * `percent32` of it, because their doubles go through an emulated x87.
 */
export const GUEST_ROWS = {
  sha256: { about: 'SHA-256 of 19 MB', quick: 25 },
  qsort: { about: "the C library's qsort, 600,000 numbers", quick: 25 },
  bytecode: { about: 'an interpreter in a switch', quick: 20 },
  nbody: { about: 'five planets, double precision', quick: 20, percent32: 30 },
  matmul: { about: 'matrix multiplication, double precision', quick: 50, percent32: 50 },
  memcpy: { about: 'copies of 16 MB', quick: 50 },
  chase: { about: 'loads that depend on one another', quick: 50 },
  getppid: { about: 'system calls', quick: 20 },
  fork: { about: 'fork, exit, wait', quick: 25 },
  'page-touch': { about: 'page faults of fresh memory', quick: 25 },
  pipe: { about: 'two processes in turns through pipes', quick: 20 },
  gzip: { about: 'zlib on 0.8 MB of C', quick: 50 },
  compiler: { about: 'the Tiny C Compiler compiling itself', quick: 25 },
};
