export * from './expr';
export {
  branchOut,
  call,
  callStatement,
  FunctionBuilder,
  returnValue,
  setLocal,
  type Callee,
  type FunctionBody,
  type FunctionType,
  type Label,
  type Local,
} from './function';
export { ModuleBuilder } from './module';
