export {
  DirectBootError,
  planLinuxBoot,
  startLinux,
  type LinuxBootFiles,
  type LinuxBootPlan,
  type LinuxBootTarget,
  type MemoryWrite,
  type UnpackedStart,
} from './bzimage';
export { unpackKernel, type UnpackedKernel } from './vmlinux';
