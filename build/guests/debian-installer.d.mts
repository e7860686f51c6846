/** Where this computer's Debian packages come from, http://HOST/DIRECTORY. */
export function debianMirror(): string;
/** The proxy of the apt configuration, '' for none. */
export function aptProxy(): string;
