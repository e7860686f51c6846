/** Where the program of a worker is: beside the file that this is in, bundled or not, and with the same extension. */
export function workerUrl(name: string): URL {
  const extension = /\.[a-z]+$/.exec(import.meta.url)?.[0] ?? '.js';
  return new URL(`./${name}${extension}`, import.meta.url);
}
