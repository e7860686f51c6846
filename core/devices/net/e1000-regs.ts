/** Registers of the 8254x gigabit controllers: Intel 317453-005, table 13-2; offsets in bytes, bit names as there. */

export const CTRL = 0x0000;
export const STATUS = 0x0008;
export const EECD = 0x0010;
export const EERD = 0x0014;
export const MDIC = 0x0020;
export const VET = 0x0038;
export const ICR = 0x00c0;
export const ITR = 0x00c4;
export const ICS = 0x00c8;
export const IMS = 0x00d0;
export const IMC = 0x00d8;
export const RCTL = 0x0100;
export const TCTL = 0x0400;
export const PBA = 0x1000;
export const RDBAL = 0x2800;
export const RDBAH = 0x2804;
export const RDLEN = 0x2808;
export const RDH = 0x2810;
export const RDT = 0x2818;
export const TDBAL = 0x3800;
export const TDBAH = 0x3804;
export const TDLEN = 0x3808;
export const TDH = 0x3810;
export const TDT = 0x3818;
/** Statistics, 13.7: reading clears them. */
export const STATISTICS = 0x4000;
export const STATISTICS_END = 0x4100;
export const GPRC = 0x4074;
export const BPRC = 0x4078;
export const MPRC = 0x407c;
export const GPTC = 0x4080;
export const GORCL = 0x4088;
export const GOTCL = 0x4090;
export const TORL = 0x40c0;
export const TOTL = 0x40c8;
export const TPR = 0x40d0;
export const TPT = 0x40d4;
export const MPTC = 0x40f0;
export const BPTC = 0x40f4;
export const TSCTC = 0x40f8;
export const RXCSUM = 0x5000;
export const MTA = 0x5200;
export const RAL0 = 0x5400;
export const RAH0 = 0x5404;
export const RECEIVE_ADDRESSES = 16;
export const VFTA = 0x5600;
export const WUC = 0x5800;
/** Behind the last register that is kept. */
export const REGISTER_BYTES = 0x6000;

export const CTRL_FD = 0x0000_0001;
export const CTRL_SLU = 0x0000_0040;
export const CTRL_RST = 0x0400_0000;
export const CTRL_VME = 0x4000_0000;
export const CTRL_PHY_RST = 0x8000_0000;
export const STATUS_FD = 0x0000_0001;
export const STATUS_LU = 0x0000_0002;
export const STATUS_SPEED_1000 = 0x0000_0080;

export const EECD_SK = 0x01;
export const EECD_CS = 0x02;
export const EECD_DI = 0x04;
export const EECD_DO = 0x08;
export const EECD_FWE_DISABLED = 0x10;
export const EECD_REQ = 0x40;
export const EECD_GNT = 0x80;
export const EECD_PRES = 0x100;
export const EERD_START = 0x01;
export const EERD_DONE = 0x10;

export const MDIC_OP_WRITE = 0x0400_0000;
export const MDIC_OP_READ = 0x0800_0000;
export const MDIC_R = 0x1000_0000;
export const MDIC_I = 0x2000_0000;
export const MDIC_E = 0x4000_0000;

export const INT_TXDW = 0x0001;
export const INT_TXQE = 0x0002;
export const INT_LSC = 0x0004;
export const INT_RXDMT0 = 0x0010;
export const INT_RXT0 = 0x0080;
export const INT_MDAC = 0x0200;

export const RCTL_EN = 0x0000_0002;
export const RCTL_UPE = 0x0000_0008;
export const RCTL_MPE = 0x0000_0010;
export const RCTL_LPE = 0x0000_0020;
export const RCTL_BAM = 0x0000_8000;
export const RCTL_VFE = 0x0004_0000;
export const RCTL_BSEX = 0x0200_0000;
export const RCTL_SECRC = 0x0400_0000;
export const TCTL_EN = 0x0000_0002;
export const RXCSUM_IPOFL = 0x0100;
export const RXCSUM_TUOFL = 0x0200;
export const RAH_AV = 0x8000_0000;

export const DESCRIPTOR_BYTES = 16;
/** Entries of a descriptor ring: RDLEN and TDLEN have 20 bits. */
export const MAX_DESCRIPTORS = 0x10000;

// Receive descriptor, 3.2.3.
export const RX_STATUS_DD = 0x01;
export const RX_STATUS_EOP = 0x02;
export const RX_STATUS_IXSM = 0x04;
export const RX_STATUS_VP = 0x08;
export const RX_STATUS_TCPCS = 0x20;
export const RX_STATUS_IPCS = 0x40;
export const RX_ERROR_TCPE = 0x20;
export const RX_ERROR_IPE = 0x40;

// Transmit descriptors, 3.3.3 to 3.3.7.
export const TX_CMD_EOP = 0x01;
export const TX_CMD_IC = 0x04;
export const TX_CMD_TSE = 0x04;
export const TX_CMD_RS = 0x08;
export const TX_CMD_RPS = 0x10;
export const TX_CMD_DEXT = 0x20;
export const TX_CMD_VLE = 0x40;
export const TX_STATUS_DD = 0x01;
export const TUCMD_TCP = 0x01;
export const TUCMD_TSE = 0x04;
export const POPTS_IXSM = 0x01;
export const POPTS_TXSM = 0x02;
