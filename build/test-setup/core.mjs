import { buildAll } from '../build.mjs';

/** Before tests that run the command line or domain processes: their bundles are current. */
export default async function setup() {
  await buildAll({ parts: ['core'] });
}
