import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('..', import.meta.url));
const setup = (name: string): string =>
  fileURLToPath(new URL(`./test-setup/${name}.mjs`, import.meta.url));

const MINUTE = 60_000;

/** Suites that need a machine, a guest or the app: one file after another, each with time to boot. */
const SLOW_SUITES: Readonly<Record<string, { readonly setup: string; readonly timeout: number }>> =
  {
    cpu: { setup: 'gen', timeout: 5 * MINUTE },
    storage: { setup: 'gen', timeout: 5 * MINUTE },
    toolstack: { setup: 'core', timeout: 2 * MINUTE },
    boot: { setup: 'core', timeout: 5 * MINUTE },
    e2e: { setup: 'app', timeout: 5 * MINUTE },
    // Real installations from a mirror: `npm run test:install`, by hand.
    install: { setup: 'install', timeout: 240 * MINUTE },
    // The reliability plan's bars at their full size: `npm run test:hard`, by hand.
    hard: { setup: 'hard', timeout: 15 * MINUTE },
    bench: { setup: 'core', timeout: 10 * MINUTE },
  };

export default defineConfig({
  root,
  test: {
    projects: [
      {
        root,
        test: {
          name: 'unit',
          include: ['{core,electron,renderer}/**/*.test.ts', 'test/contract/**/*.test.ts'],
          environment: 'node',
          testTimeout: 20_000,
          globalSetup: [setup('gen')],
        },
      },
      ...Object.entries(SLOW_SUITES).map(([name, suite]) => ({
        root,
        test: {
          name,
          include: [`test/${name}/**/*.test.ts`],
          environment: 'node' as const,
          pool: 'forks' as const,
          fileParallelism: false,
          testTimeout: suite.timeout,
          hookTimeout: suite.timeout,
          // What a person sees at once may take so long on a busy machine.
          expect: { poll: { timeout: MINUTE } },
          globalSetup: [setup(suite.setup)],
        },
      })),
    ],
  },
});
