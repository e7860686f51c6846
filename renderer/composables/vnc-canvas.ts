import type RFB from '@novnc/novnc';

/** What noVNC 1.7 keeps its picture in (core/display.js); it has no name for it in its API. */
interface Display {
  _backbuffer: HTMLCanvasElement;
  _drawCtx: CanvasRenderingContext2D;
  resize(width: number, height: number): void;
}

/**
 * Makes a change of the guest's screen size keep the picture by drawing it into a copy. noVNC by itself reads its
 * pixels back, for which the browser has to wait for the graphics processor, at every mode a booting guest sets.
 */
export function keepPictureWithoutReadback(rfb: RFB): void {
  const display = (rfb as unknown as { _display?: Display })._display;
  if (display === undefined) return;
  const resize = display.resize.bind(display);
  display.resize = (width, height) => {
    const { _backbuffer: canvas, _drawCtx: context } = display;
    const other = canvas.width !== width || canvas.height !== height;
    if (other && canvas.width > 0 && canvas.height > 0) {
      const copy = new OffscreenCanvas(canvas.width, canvas.height);
      copy.getContext('2d')?.drawImage(canvas, 0, 0);
      canvas.width = width;
      canvas.height = height;
      context.drawImage(copy, 0, 0);
    }
    resize(width, height);
  };
}
