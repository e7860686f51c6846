export { isTrashName } from './record';
export { Trash } from './trash';
