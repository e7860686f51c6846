import type { PNG } from 'pngjs';

/**
 * Text on a picture, without knowing the font: on a console every character fills one cell, so a string is there
 * where cells are alike exactly where its letters are alike, and blank where it has spaces. For strings of twenty
 * letters and more that is as good as reading them.
 */
export function showsText(picture: PNG, text: string, cell = { width: 8, height: 16 }): boolean {
  const columns = Math.floor(picture.width / cell.width);
  const rows = Math.floor(picture.height / cell.height);
  for (let row = 0; row < rows; row++) {
    const shapes = Array.from({ length: columns }, (_unused, column) =>
      shapeOf(picture, column, row, cell),
    );
    for (let at = 0; at + text.length <= columns; at++) if (alike(shapes, at, text)) return true;
  }
  return false;
}

/** Which pixels of a cell differ from its first one; '' for a blank cell. */
function shapeOf(
  picture: PNG,
  column: number,
  row: number,
  cell: { width: number; height: number },
): string {
  let shape = '';
  let ink = false;
  const { data, width } = picture;
  const first = (row * cell.height * width + column * cell.width) * 4;
  const paper = data.readUInt32BE(first) >>> 8;
  for (let y = 0; y < cell.height; y++) {
    for (let x = 0; x < cell.width; x++) {
      const at = ((row * cell.height + y) * width + column * cell.width + x) * 4;
      const different = data.readUInt32BE(at) >>> 8 !== paper;
      ink ||= different;
      shape += different ? '1' : '0';
    }
  }
  return ink ? shape : '';
}

function alike(shapes: readonly string[], start: number, text: string): boolean {
  const shapeFor = new Map<string, string>();
  const letterFor = new Map<string, string>();
  for (let index = 0; index < text.length; index++) {
    const letter = text.charAt(index);
    const shape = shapes[start + index] ?? '';
    if ((letter === ' ') !== (shape === '')) return false;
    if ((shapeFor.get(letter) ?? shape) !== shape || (letterFor.get(shape) ?? letter) !== letter)
      return false;
    shapeFor.set(letter, shape);
    letterFor.set(shape, letter);
  }
  return true;
}
