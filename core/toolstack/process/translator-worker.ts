/** Entry of a vcpu's translator thread. */
import { workerData } from 'node:worker_threads';
import { compileMeanwhile, compileNow, giveWayToVcpus, type ThreadData } from '../../host-node';
import { TranslatorService, type ToTranslator, type TranslatorStart } from '../../machine';

giveWayToVcpus();
const { port, start } = workerData as ThreadData;
const service = new TranslatorService(start as TranslatorStart, {
  post: (message) => port.postMessage(message),
  after: (ms, act) => void setTimeout(act, ms),
  compileNow,
  compileMeanwhile,
});
port.on('message', (message: ToTranslator) => service.receive(message));
