export { E1000 } from './e1000';
