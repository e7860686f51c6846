/** A translator's thread within the caller's: it reads, compiles and answers when it has been asked for answers some times, as if it were slow. */
import { TranslatorService } from '../../core/cpu';
import type { TranslatorStart } from '../../core/cpu';
import type { WasmHost } from '../../core/host';
import { compileNow, nodeWasm } from '../../core/host-node';

/** `turns`: times that `take` is called until orders are read, and again until they are answered. */
export function lateTranslator(turns: number): WasmHost {
  return {
    ...nodeWasm,
    startTranslator(start) {
      let turn = 0;
      let waiting: { readonly at: number; readonly act: () => void }[] = [];
      const later = (act: () => void): void => void waiting.push({ at: turn + turns, act });
      const answers: object[] = [];
      const service = new TranslatorService(structuredClone(start) as TranslatorStart, {
        post: (message) => answers.push(structuredClone(message)),
        after: (_ms, act) => later(act),
        compileNow,
        compileMeanwhile: (bytes) => Promise.resolve(compileNow(bytes)),
      });
      return {
        post(message) {
          const orders = structuredClone(message) as Parameters<TranslatorService['receive']>[0];
          later(() => service.receive(orders));
        },
        take() {
          turn++;
          const due = waiting.filter(({ at }) => at <= turn);
          waiting = waiting.filter(({ at }) => at > turn);
          for (const { act } of due) act();
          return answers.shift();
        },
      };
    },
  };
}
