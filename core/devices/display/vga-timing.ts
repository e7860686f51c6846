/** Where the beam is: blanking and retrace bits of input status register 1, from the CRTC's programming and the clock. */
import {
  CR_H_DISPLAY_END,
  CR_H_TOTAL,
  CR_V_RETRACE_END,
  MISC_CLOCK_28_MHZ,
  SR_CLOCKING,
  SR_CLOCKING_8_DOTS,
  SR_CLOCKING_DCLK_2,
  STATUS_1_BLANKING,
  STATUS_1_V_RETRACE,
  verticalDisplayEnd,
  verticalRetraceStart,
  verticalTotal,
  type VgaRegisters,
} from './vga-regs';

const CLOCK_25_MHZ = 25_175_000;
const CLOCK_28_MHZ = 28_322_000;
/** Frame rate assumed when the CRTC is not programmed sensibly. */
const FALLBACK_HZ = 60;
const MIN_HZ = 30;
const MAX_HZ = 200;

export function inputStatus1(r: VgaRegisters, nowNs: number): number {
  const { crtc } = r;
  const clocking = r.sequencer[SR_CLOCKING];
  const clock =
    (r.misc & MISC_CLOCK_28_MHZ ? CLOCK_28_MHZ : CLOCK_25_MHZ) /
    (clocking & SR_CLOCKING_DCLK_2 ? 2 : 1);
  const dots = clocking & SR_CLOCKING_8_DOTS ? 8 : 9;
  const lines = verticalTotal(crtc);
  const lineNs = ((crtc[CR_H_TOTAL] + 5) * dots * 1e9) / clock;
  const hz = 1e9 / (lineNs * lines);
  const usable = hz >= MIN_HZ && hz <= MAX_HZ;
  const lineTime = usable ? lineNs : 1e9 / FALLBACK_HZ / lines;
  const position = nowNs % (lineTime * lines);
  const line = Math.floor(position / lineTime);
  const column = (position - line * lineTime) / lineTime;
  const displayed = (crtc[CR_H_DISPLAY_END] + 1) / (crtc[CR_H_TOTAL] + 5);
  let status = 0;
  if (line > verticalDisplayEnd(crtc) || column >= displayed) status |= STATUS_1_BLANKING;
  const start = verticalRetraceStart(crtc);
  const length = (crtc[CR_V_RETRACE_END] - start) & 15 || 16;
  if (line >= start && line < start + length) status |= STATUS_1_V_RETRACE | STATUS_1_BLANKING;
  return status;
}
