export * from './expr';
export {
  call,
  branchOut,
  callStatement,
  returnValue,
  FunctionBuilder,
  setLocal,
  type Callee,
  type FunctionBody,
  type FunctionType,
  type Label,
  type Local,
} from './function';
export { ModuleBuilder } from './module';
