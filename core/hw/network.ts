/** An Ethernet header: destination, source, type (IEEE 802.3 clause 3). Shorter frames are dropped. */
export const ETHERNET_HEADER_BYTES = 14;
/** Longest frame a back end takes: 1500 bytes of payload, header, and one 802.1Q tag; without FCS. Longer ones are dropped. */
export const MAX_ETHERNET_FRAME_BYTES = 1518;

/** Longest frame with an offload: an IP packet of 64 KiB. */
export const MAX_LARGE_FRAME_BYTES = ETHERNET_HEADER_BYTES + 0xffff;

/**
 * What goes with a frame of TCP over IP beside its bytes (as struct virtio_net_hdr, VIRTIO 1.2 5.1.6): OFFLOAD_NONE,
 * or one of the others, plus the data bytes of a segment << OFFLOAD_SHIFT where a frame holds many segments. The IP
 * header, its length and checksum are those of the frame as it is.
 */
export type FrameOffload = number;
/** Nothing is known of it. */
export const OFFLOAD_NONE = 0;
/** Its TCP checksum was made by the back end just now: it need not be checked. */
export const OFFLOAD_GOOD = 1;
/** The field of its TCP checksum holds the pseudo header's sum or nothing of use: whoever needs it, makes it. */
export const OFFLOAD_PARTIAL = 2;
export const OFFLOAD_KIND = 3;
export const OFFLOAD_SHIFT = 2;

/** Offloads that a card takes from its back end: frames without TCP checksum, and TCP of many segments over either IP. */
export const RECEIVE_PARTIAL = 1;
export const RECEIVE_TCPV4 = 2;
export const RECEIVE_TCPV6 = 4;

/**
 * What a network card's cable leads to. Frames are whole Ethernet II / 802.3 frames from destination address to end of
 * payload: no preamble, no FCS. A back end neither needs nor checks padding to 60 bytes; a card pads what it shows the
 * guest if its datasheet says so. All calls are made in the thread that owns the device.
 */
export interface NetworkBackend {
  /** Carrier. While false, `send` drops and nothing is received. */
  readonly linkUp: boolean;
  /** Whether `send` takes offloads, and with them frames up to MAX_LARGE_FRAME_BYTES; may change at any time. */
  readonly takesOffload?: boolean;
  /** Set by the device: the offloads it takes, RECEIVE_* together; none when not set. */
  receiveOffloads?: number;
  /** Sends a frame. It is copied before the call returns. As on a wire, a frame that finds no room or is too short or too long is dropped. Never calls back from inside. */
  send(frame: Uint8Array, offload?: FrameOffload): void;
  /**
   * Set by the device: a frame for the guest, valid during the call only. The back end does not filter by address: the
   * card does. Returns false when the card has no room: the back end keeps the frame and offers it again after `ready`;
   * a card that discards (receiver off, filtered, too long) returns true.
   */
  onReceive?: (frame: Uint8Array, offload?: FrameOffload) => boolean;
  /** The device has room again after `onReceive` returned false. Harmless at other times; delivers later, not from inside the call. */
  ready(): void;
  /** Set by the device: `linkUp` has changed. */
  onLinkChange?: (up: boolean) => void;
}

/** A cable plugged in nowhere: no link, frames go nowhere. For a card without a network and for tests. */
export class DisconnectedNetwork implements NetworkBackend {
  readonly linkUp = false;
  onReceive?: (frame: Uint8Array) => boolean;
  onLinkChange?: (up: boolean) => void;
  send(): void {}
  ready(): void {}
}
