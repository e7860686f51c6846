export { ByteQueue } from './byte-queue';
export { TcpConnection, type TcpOwner, type TcpPhase } from './connection';
