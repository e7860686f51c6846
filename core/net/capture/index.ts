export { Capture, type CaptureSink } from './capture';
export { pcapngHeader, pcapngPacket } from './pcapng';
