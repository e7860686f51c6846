/**
 * Gives <style> elements made by our own bundle the nonce of this page load, so that the content security policy
 * needs no 'unsafe-inline'. xterm.js writes its theme and cell size that way; markup from elsewhere has no nonce.
 */
export function allowOwnStyleElements(): void {
  const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.nonce ?? '';
  if (nonce === '') return;
  const create = document.createElement.bind(document);
  document.createElement = (name: string, options?: ElementCreationOptions): HTMLElement => {
    const element = create(name, options);
    if (element instanceof HTMLStyleElement) element.nonce = nonce;
    return element;
  };
}
