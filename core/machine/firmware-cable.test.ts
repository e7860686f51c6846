import { describe, expect, it } from 'vitest';
import { MockNetwork } from '../../test/support/mock-network';
import { OFFLOAD_GOOD, OFFLOAD_PARTIAL, RECEIVE_PARTIAL } from '../hw';
import { FirmwareCable, FirmwareCard } from './firmware-cable';

const frame = (mark: number): Uint8Array => new Uint8Array(60).fill(mark);

describe('the cable between a card, firmware and the network', () => {
  it('is the card’s, with what comes and goes', () => {
    const network = new MockNetwork();
    const cable = new FirmwareCable(network);
    const got: number[] = [];
    cable.onReceive = (bytes) => {
      got.push(bytes[0]);
      return bytes[0] < 3;
    };
    expect([network.offer(frame(1)), network.offer(frame(3))]).toEqual([true, false]);
    cable.send(frame(9));
    expect([got, network.sent.length]).toEqual([[1, 3], 1]);
    let up = true;
    cable.onLinkChange = (state) => (up = state);
    network.setLink(false);
    expect([up, cable.linkUp]).toEqual([false, false]);
  });

  it('is the firmware’s from claim to release; it keeps few frames and the network the others', () => {
    const network = new MockNetwork();
    const cable = new FirmwareCable(network);
    const card = new FirmwareCard(cable, new Uint8Array(6), 3);
    let got = 0;
    cable.onReceive = () => {
      got++;
      return true;
    };
    card.send(frame(1));
    expect(network.sent).toHaveLength(0);
    card.claim();
    card.send(frame(1));
    expect(network.sent).toHaveLength(1);
    const taken = Array.from({ length: 40 }, (_, i) => network.offer(frame(i)));
    expect([taken.filter(Boolean).length, got]).toEqual([32, 0]);
    const before = network.readies;
    expect(card.receive()?.[0]).toBe(0);
    expect(network.readies).toBe(before + 1);
    expect(card.receive()?.[0]).toBe(1);
    expect(network.readies).toBe(before + 1);
    card.release();
    expect([card.hasFrame, network.readies]).toEqual([false, before + 2]);
    network.offer(frame(5));
    expect(got).toBe(1);
  });

  it('goes back to the card when its driver sends', () => {
    const network = new MockNetwork();
    const cable = new FirmwareCable(network);
    const card = new FirmwareCard(cable, new Uint8Array(6), 3);
    let got = 0;
    cable.onReceive = () => ++got > 0;
    card.claim();
    cable.send(frame(1));
    network.offer(frame(2));
    expect([got, card.hasFrame, network.sent.length]).toEqual([1, false, 1]);
    card.send(frame(3));
    expect(network.sent).toHaveLength(1);
  });

  it('passes offloads between card and network; the firmware gets frames as they are on a wire', () => {
    const network = new MockNetwork();
    const cable = new FirmwareCable(network);
    const card = new FirmwareCard(cable, new Uint8Array(6), 3);
    network.takesOffload = true;
    expect(cable.takesOffload).toBe(true);
    cable.send(frame(1), OFFLOAD_PARTIAL);
    expect(network.offloads).toEqual([OFFLOAD_PARTIAL]);
    cable.receiveOffloads = RECEIVE_PARTIAL;
    expect(network.receiveOffloads).toBe(RECEIVE_PARTIAL);
    const got: (number | undefined)[] = [];
    cable.onReceive = (_, offload) => got.push(offload) > 0;
    network.offer(frame(1), OFFLOAD_PARTIAL);
    expect(got).toEqual([OFFLOAD_PARTIAL]);

    card.claim();
    expect(network.receiveOffloads).toBe(0);
    expect(network.offer(frame(1), OFFLOAD_PARTIAL)).toBe(true);
    expect(card.hasFrame).toBe(false);
    network.offer(frame(1), OFFLOAD_GOOD);
    expect(card.hasFrame).toBe(true);
    card.release();
    expect(network.receiveOffloads).toBe(RECEIVE_PARTIAL);
  });
});
