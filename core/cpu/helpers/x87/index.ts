// AssemblyScript. x87 instructions as the definitions in ops/x87.ts call them.
export {
  x87ConditionalMove,
  x87Exchange,
  x87Free,
  x87LoadConstant,
  x87LoadDecimal,
  x87LoadDouble,
  x87LoadExtended,
  x87LoadInteger,
  x87LoadRegister,
  x87LoadSingle,
  x87MoveTop,
} from './load';
export {
  x87StoreDecimal,
  x87StoreDouble,
  x87StoreExtended,
  x87StoreInteger,
  x87StoreRegister,
  x87StoreSingle,
  x87StoreUnchecked,
} from './store';
export {
  x87Arith,
  x87ArithDouble,
  x87ArithInteger,
  x87ArithSingle,
  x87ChangeSign,
  x87SquareRoot,
} from './arith';
export {
  x87Compare,
  x87CompareDouble,
  x87CompareFlags,
  x87CompareInteger,
  x87CompareSingle,
  x87Examine,
} from './compare';
export { x87Extract, x87Remainder, x87RoundToInteger, x87Scale } from './round';
export { raisePending as x87RaisePending } from './stack';
export { x87Sine, x87SineCosine, x87Tangent } from './trig';
export { x87Logarithm, x87LogarithmPlusOne, x87PowerMinusOne } from './logarithm';
export { x87ArcTangent } from './arctangent';
export {
  x87ClearExceptions,
  x87LoadControl,
  x87LoadEnvironment,
  x87Restore,
  x87Save,
  x87StoreEnvironment,
  x87Wait,
} from './environment';
