import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface AxeResult {
  violations: {
    id: string;
    impact: string | null;
    nodes: { html: string; failureSummary?: string }[];
  }[];
}

/** Rules of WCAG 2.2 A and AA and of axe's best practice that the page breaks, with the element; empty when none. */
export async function brokenRules(page: Page): Promise<string[]> {
  // Evaluated from outside: the page's own policy would rightly refuse it as a script.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: { run: (root: Document, options: object) => Promise<AxeResult> };
    };
    // The guest's screen and its terminal rows show what the guest draws.
    return axe.run(document, {
      resultTypes: ['violations'],
      rules: { 'scrollable-region-focusable': { enabled: true } },
    });
  });
  return violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.html.slice(0, 160)} (${node.failureSummary ?? ''})`),
  );
}
