import { describe, expect, it } from 'vitest';
import { createFrameRing, FrameRing } from './frame-ring';
import type { FromWorker } from './worker-messages';
import { WorkerNetworks } from './worker-network';
import type { WorkerPort } from './worker-port';

function lab() {
  const posted: FromWorker[] = [];
  const toLoop = createFrameRing();
  const vif = {
    mac: '',
    model: 'e1000' as const,
    linkUp: true,
    toLoop,
    toGuest: createFrameRing(),
  };
  const port = { post: (message: FromWorker) => posted.push(message) } as unknown as WorkerPort;
  const time = { nowMs: 1000 };
  const networks = new WorkerNetworks([vif], port, new Int32Array(8), () => time.nowMs);
  const loop = new FrameRing(toLoop);
  const send = (length = 60): void => networks.backends[0].send(new Uint8Array(length));
  /** What the event loop does when it is told. */
  const takeAll = (): number => {
    loop.beginRead();
    let count = 0;
    for (; loop.peek(); count++) loop.take();
    return count;
  };
  return { networks, posted, time, send, takeAll };
}

describe('frames of the guest on their way to the event loop', () => {
  it('are told of after a slice; those of a busy guest are gathered for two milliseconds', () => {
    const { networks, posted, time, send, takeAll } = lab();
    networks.flush(false);
    expect(posted).toEqual([]);
    send();
    networks.flush(false);
    expect(posted).toEqual([{ type: 'network', vif: 0 }]);
    expect(takeAll()).toBe(1);
    for (const later of [0.5, 0.5, 0.5]) {
      time.nowMs += later;
      send();
      networks.flush(false);
      expect(posted).toHaveLength(1);
    }
    time.nowMs += 0.5;
    networks.flush(false);
    expect(posted).toHaveLength(2);
    expect(takeAll()).toBe(3);
  });

  it('are told of at once when the guest has nothing more to do, or when they are many', () => {
    const { networks, posted, send, takeAll } = lab();
    send();
    networks.flush(true);
    takeAll();
    send();
    networks.flush(true);
    expect(posted).toHaveLength(2);
    takeAll();
    for (let i = 0; i < 100; i++) send(1514);
    expect(posted).toHaveLength(3);
  });
});
