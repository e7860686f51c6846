import { generate } from '../gen/index.mjs';

/** Before any test: the generated sources are there and current. */
export default async function setup() {
  await generate();
}
