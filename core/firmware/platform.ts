/**
 * Where our PC has its parts, as firmware tells guests. The board (core/machine/pc) and the chipset models
 * (core/devices/pci) must agree with these numbers; nothing else in firmware repeats them.
 *
 * PCI interrupts go the i440FX/PIIX3 way only: PIRQA-D through PIRQRC[A:D] (config 60h-63h of the ISA bridge) to
 * an ISA IRQ, which both the 8259 pair and the I/O APIC pin of the same number receive. There are no GSIs above 15.
 * Device `slot`, pin INTA=0: PIRQ = (pin + slot - 1) & 3.
 *
 * Specs: Intel 82371FB/82371SB (PIIX/PIIX3) 290550-002; 82371AB (PIIX4) 290562-001; 82440FX 290549-001.
 */

/** I/O APIC, id after the local APICs' ids. */
export const IO_APIC_BASE = 0xfec0_0000;
export const LOCAL_APIC_BASE = 0xfee0_0000;
export const HPET_BASE = 0xfed0_0000;
/** HPET general capabilities register, low half: vendor 8086h, legacy replacement capable, 3 timers, revision 1. */
export const HPET_BLOCK_ID = 0x8086_a201;

/** PIIX4 PM function (00:01.3): PMBA, and the fixed registers behind it. */
export const PM_BASE = 0x600;
export const PM1A_EVT_BLK = PM_BASE + 0x00;
export const PM1A_CNT_BLK = PM_BASE + 0x04;
export const PM_TMR_BLK = PM_BASE + 0x08;
export const PM_IO_LENGTH = 0x40;
/** General-purpose event registers: reserved, not used by our tables. */
export const GPE0_BASE = 0xafe0;
export const GPE0_LENGTH = 4;
export const SMBUS_BASE = 0x700;
export const SMBUS_IO_LENGTH = 0x10;
/** APMC: the ACPI enable/disable commands that set and clear PM1_CNT.SCI_EN. */
export const SMI_CMD = 0xb2;
export const ACPI_ENABLE = 0xf1;
export const ACPI_DISABLE = 0xf0;
export const SCI_IRQ = 9;
/** PIIX3 reset control register and the value of a hard reset. */
export const RESET_CONTROL = 0xcf9;
export const RESET_HARD = 0x06;

/** PCI functions that exist on every board, as bus 0 slot.function. */
export const PIIX3_ISA_SLOT = 1;
export const PIIX3_PIRQRC = 0x60;
/** ISA IRQs that the four PIRQ links are routed to at power-on, A to D. */
export const PIRQ_DEFAULT_IRQS = [10, 10, 11, 11] as const;
/** ISA IRQs a guest may route a PIRQ link to. */
export const PIRQ_POSSIBLE_IRQS = [5, 10, 11] as const;
/** IRQs that are level triggered and active high at the I/O APIC: the links' and the SCI's. */
export const LEVEL_IRQS = [5, 9, 10, 11] as const;

/** The PIRQ link (0 = A) that interrupt pin `pin` (0 = INTA) of `slot` is wired to. */
export function pirqOf(slot: number, pin: number): number {
  return (slot + pin + 3) & 3;
}

/** Memory window for PCI BARs. RAM ends at or below PCI_MEMORY_BASE. */
export const PCI_MEMORY_BASE = 0xc000_0000;
export const PCI_MEMORY_END = 0xfec0_0000;
/** First I/O port for PCI BARs. */
export const PCI_IO_BASE = 0xc000;
export const PCI_IO_END = 0x1_0000;

/** The most RAM the board has below the PCI window. */
export const MAX_RAM_BYTES = 0xc000_0000;
