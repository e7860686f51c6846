import { buildAll } from '../build.mjs';

/** Before tests that run the built program: `dist/` is current. */
export default async function setup() {
  await buildAll();
}
