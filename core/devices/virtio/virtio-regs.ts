/** Numbers of the Virtual I/O Device (VIRTIO) specification 1.2, names as there. */

// Device types, section 5.
export const VIRTIO_ID_NET = 1;
export const VIRTIO_ID_BLOCK = 2;

// Device status field, 2.1.
export const VIRTIO_STATUS_ACKNOWLEDGE = 1;
export const VIRTIO_STATUS_DRIVER = 2;
export const VIRTIO_STATUS_DRIVER_OK = 4;
export const VIRTIO_STATUS_FEATURES_OK = 8;
export const VIRTIO_STATUS_DEVICE_NEEDS_RESET = 64;
export const VIRTIO_STATUS_FAILED = 128;

// Reserved feature bits, section 6.
export const VIRTIO_F_RING_INDIRECT_DESC = 28;
export const VIRTIO_F_RING_EVENT_IDX = 29;
export const VIRTIO_F_VERSION_1 = 32;

// Descriptor flags, 2.7.5, and ring flags, 2.7.6 and 2.7.8.
export const VIRTQ_DESC_F_NEXT = 1;
export const VIRTQ_DESC_F_WRITE = 2;
export const VIRTQ_DESC_F_INDIRECT = 4;
export const VIRTQ_AVAIL_F_NO_INTERRUPT = 1;

/** No MSI-X vector, 4.1.5.1.2. */
export const VIRTIO_MSI_NO_VECTOR = 0xffff;

// Interrupt status, 4.1.4.5.
export const VIRTIO_ISR_QUEUE = 1;
export const VIRTIO_ISR_CONFIG = 2;
