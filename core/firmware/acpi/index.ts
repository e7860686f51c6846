export {
  buildAcpiTables,
  type AcpiConfig,
  type AcpiTables,
  type PlacedTable,
  type TablePointer,
} from './tables';
