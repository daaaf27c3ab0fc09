/** Small charts in SVG: bars with marks, lines, points. Each says in words what it shows. */
import type { ComponentChildren } from "preact";
import { extent, there, ticks, type Num } from "./numbers";

const W = 340;
const H = 190;
const M = { left: 44, right: 12, top: 12, bottom: 36 };

interface Frame {
  title: string;
  xLabel: string;
  yLabel: string;
  x: [number, number];
  y: [number, number];
  xText?: (value: number) => string;
  yText?: (value: number) => string;
  xTicks?: number[];
  yTicks?: number[];
}

export const xAt = (f: Frame, v: number): number => M.left + ((v - f.x[0]) / (f.x[1] - f.x[0] || 1)) * (W - M.left - M.right);
export const yAt = (f: Frame, v: number): number => H - M.bottom - ((v - f.y[0]) / (f.y[1] - f.y[0] || 1)) * (H - M.top - M.bottom);
const plain = (value: number): string => value.toLocaleString("en-US", { maximumSignificantDigits: 4 });

export function Chart({ frame, children, key_ }: { frame: Frame; children: ComponentChildren; key_?: ComponentChildren }) {
  const { xText = plain, yText = plain } = frame;
  return (
    <figure class="chart">
      <figcaption>{frame.title}</figcaption>
      <svg viewBox={`0 0 ${W} ${H}`} role="img" aria-label={`${frame.title}: ${frame.yLabel} over ${frame.xLabel}`}>
        {(frame.yTicks ?? ticks(frame.y[0], frame.y[1], 4)).map((v) => (
          <g key={v}>
            <line class="rule" x1={M.left} x2={W - M.right} y1={yAt(frame, v)} y2={yAt(frame, v)} />
            <text x={M.left - 5} y={yAt(frame, v) + 3.5} text-anchor="end">{yText(v)}</text>
          </g>
        ))}
        {(frame.xTicks ?? ticks(frame.x[0], frame.x[1], 5)).map((v) => (
          <text key={v} x={xAt(frame, v)} y={H - M.bottom + 13} text-anchor="middle">{xText(v)}</text>
        ))}
        <text class="axis" x={(M.left + W - M.right) / 2} y={H - 5} text-anchor="middle">{frame.xLabel}</text>
        <text class="axis" x={11} y={(M.top + H - M.bottom) / 2} text-anchor="middle"
          transform={`rotate(-90 11 ${(M.top + H - M.bottom) / 2})`}>{frame.yLabel}</text>
        {children}
      </svg>
      {key_ && <p class="chart-key">{key_}</p>}
    </figure>
  );
}

/** Counts between edges, one after the other in front; marks are values with words. */
export function Bars({ title, xLabel, edges, series, marks = [] }: {
  title: string; xLabel: string; edges: number[];
  series: { name: string; class: string; counts: number[] }[];
  marks?: { at: Num; class: string; words: string }[];
}) {
  const shown = marks.filter((mark) => there(mark.at)) as { at: number; class: string; words: string }[];
  const reach = extent([...edges, ...shown.map((mark) => mark.at)]) ?? [0, 1];
  const top = Math.max(1, ...series.flatMap((one) => one.counts));
  const frame: Frame = { title, xLabel, yLabel: "count", x: reach, y: [0, top] };
  return (
    <Chart frame={frame} key_={<>
      {series.map((one) => <span key={one.name}><i class={`swatch ${one.class}`} />{one.name}</span>)}
      {shown.map((mark) => <span key={mark.words}><i class={`swatch line ${mark.class}`} />{mark.words}</span>)}
    </>}>
      {series.map((one) => (
        <path key={one.name} class={`area ${one.class}`} d={one.counts.map((n, i) => {
          const [left, right] = [xAt(frame, edges[i]!), xAt(frame, edges[i + 1]!)];
          return n > 0 ? `M${left} ${yAt(frame, 0)}V${yAt(frame, n)}H${Math.max(right - 0.5, left + 0.5)}V${yAt(frame, 0)}Z` : "";
        }).join("")} />
      ))}
      {shown.map((mark) => (
        <line key={mark.words} class={`mark ${mark.class}`} x1={xAt(frame, mark.at)} x2={xAt(frame, mark.at)} y1={M.top - 6} y2={yAt(frame, 0)} />
      ))}
    </Chart>
  );
}

export function Lines({ title, xLabel, yLabel, series }: {
  title: string; xLabel: string; yLabel: string;
  series: { name: string; class: string; x: number[]; y: Num[] }[];
}) {
  const y = extent(series.flatMap((one) => one.y)) ?? [0, 1];
  const x = extent(series.flatMap((one) => one.x)) ?? [0, 1];
  const frame: Frame = { title, xLabel, yLabel, x: x[0] === x[1] ? [x[0] - 0.5, x[1] + 0.5] : x, y: [Math.min(0, y[0]), Math.max(y[1], 1e-9)] };
  return (
    <Chart frame={frame} key_={series.map((one) => <span key={one.name}><i class={`swatch ${one.class}`} />{one.name}</span>)}>
      {series.map((one) => {
        const points = one.x.map((at, i) => [at, one.y[i]] as const).filter((p): p is [number, number] => there(p[1]));
        return (
          <g key={one.name} class={one.class}>
            <polyline class="line" points={points.map(([px, py]) => `${xAt(frame, px)},${yAt(frame, py)}`).join(" ")} />
            <path class="dots" d={points.map(([px, py]) => `M${xAt(frame, px)} ${yAt(frame, py)}h0`).join("")} stroke-width="6" />
          </g>
        );
      })}
    </Chart>
  );
}

/** Points of two classes; with `log` both axes are powers of ten of numbers from 1 on. */
export function Points({ title, xLabel, yLabel, x, y, front, log = false, names }: {
  title: string; xLabel: string; yLabel: string; x: number[]; y: number[];
  front?: boolean[]; log?: boolean; names: [string, string?];
}) {
  const place = (value: number): number => (log ? Math.log10(Math.max(value, 1)) : value);
  const text = (value: number): string => (log ? `1e${value}`.replace(/^1e([0-3])$/, (_, n) => String(10 ** Number(n))) : plain(value));
  const reach = (values: number[]): [number, number] => {
    const top = extent(values.map(place))?.[1] ?? 1;
    return [0, log ? Math.ceil(top) || 1 : top || 1];
  };
  const wholes = (span: [number, number]) => (log ? Array.from({ length: span[1] + 1 }, (_, i) => i) : undefined);
  const [xs, ys] = [reach(x), reach(y)];
  const frame: Frame = { title, xLabel, yLabel, x: xs, y: ys, xText: text, yText: text, xTicks: wholes(xs), yTicks: wholes(ys) };
  const drawn = (wanted: boolean): string =>
    x.map((at, i) => ((front?.[i] ?? true) === wanted ? `M${xAt(frame, place(at)).toFixed(1)} ${yAt(frame, place(y[i]!)).toFixed(1)}h0` : "")).join("");
  return (
    <Chart frame={frame} key_={<>
      <span><i class="swatch one" />{names[0]}</span>
      {names[1] && <span><i class="swatch rest" />{names[1]}</span>}
    </>}>
      <path class="dots rest" d={drawn(false)} stroke-width="3" />
      <path class="dots one" d={drawn(true)} stroke-width="3.4" />
    </Chart>
  );
}
