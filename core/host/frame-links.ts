/** A cable between two processes of one user that carries whole Ethernet frames, in order. */
export interface FrameLink {
  /** Sends a frame; it is copied. False when the other side does not read: the frame is not taken, `onSpace` follows. */
  send(frame: Uint8Array): boolean;
  close(): void;
}

/** What happens on a link. Nothing is called after `onClose`. */
export interface FrameLinkEvents {
  /** A frame, valid during the call. */
  onFrame(frame: Uint8Array): void;
  /** `send` takes frames again. */
  onSpace(): void;
  /** The end; a reason when the other side broke the protocol. */
  onClose(reason?: string): void;
}

export interface FrameSocket {
  readonly path: string;
  /** Stops listening; a link that was made stays. */
  close(): void;
}

/** Local sockets whose stream is a length (32 bits, big endian) and a frame, over and over, as QEMU's stream netdev has it. */
export interface FrameLinkHost {
  /** Listens for one link, at a path only this user can reach, and then no more. */
  listen(path: string, accept: (link: FrameLink) => FrameLinkEvents): Promise<FrameSocket>;
  connect(path: string, events: FrameLinkEvents): Promise<FrameLink>;
}
