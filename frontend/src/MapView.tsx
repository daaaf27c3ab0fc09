/** Both decoder spaces in two dimensions; a line drawn around features of one side shows their partners. */
import { useMemo, useRef, useState } from "preact/hooks";
import { inside, type Point } from "./lasso";
import { count, extent, score } from "./numbers";
import { address } from "./place";
import { cellKey } from "./source";
import { clipped, visibleToken } from "./visible";
import type { CellKey, MapAnswer, MapSide, Overview, Side, Source } from "./types";
import { useAnswer } from "./use";

const SIZE = 400;
const LISTED = 30;

export function MapView({ source, overview, cell }: { source: Source; overview: Overview; cell: CellKey }) {
  const { value, error } = useAnswer(() => source.map(cell), cellKey(cell));
  if (!value && !error) return null;
  return (
    <section id="map" class="app-section">
      <h2>Both feature spaces</h2>
      {error && <p class="caveat">{error}</p>}
      {value && value.method === null && <p class="lede">{value.words}</p>}
      {value && value.method !== null && <Maps key={cellKey(cell)} map={value} overview={overview} cell={cell} />}
    </section>
  );
}

function Maps({ map, overview, cell }: { map: MapAnswer; overview: Overview; cell: CellKey }) {
  const [drawn, draw] = useState<{ side: Side; outline: Point[] } | null>(null);
  const places = useMemo(() => ({ a: placed(map.a), b: placed(map.b) }), [map]);
  const matched = useMemo(() => ({ a: new Set(map.pairs.a), b: new Set(map.pairs.b) }), [map]);
  const taken = useMemo(() => (drawn && drawn.outline.length > 2
    ? map.pairs[drawn.side].map((_, i) => i).filter((i) => inside(places[drawn.side][map.pairs[drawn.side][i]!]!, drawn.outline))
    : []), [map, places, drawn]);
  const order = [...taken].sort((x, y) => (map.pairs.r[y] ?? -1) - (map.pairs.r[x] ?? -1));
  return (
    <div class="card">
      <p class="soft">Each dot is a living feature, placed by its decoder row ({map.method}); dark dots are matched. Draw a line around dots of one side to see their partners on the other.</p>
      <div class="two-columns">
        {(["a", "b"] as const).map((side) => (
          <Plot key={side} name={overview.sides[side].name} points={places[side]} matched={matched[side]}
            lit={taken.map((i) => map.pairs[side][i]!)} outline={drawn?.side === side ? drawn.outline : []} onDraw={(outline) => draw(outline.length ? { side, outline } : null)} />
        ))}
      </div>
      <p role="status" class="found">{drawn ? `${count(taken.length)} matched pairs in the drawn line` : ""} {drawn && <button type="button" onClick={() => draw(null)}>Clear</button>}</p>
      {order.length > 0 && (
        <table class="plain">
          <thead><tr><th scope="col" class="l">pair</th><th scope="col">r</th><th scope="col" class="l">token of a</th><th scope="col" class="l">token of b</th></tr></thead>
          <tbody>{order.slice(0, LISTED).map((i) => {
            const [x, y] = [map.pairs.a[i]!, map.pairs.b[i]!];
            const [fa, fb] = [map.a.features[x]!, map.b.features[y]!];
            return <tr key={i}><td class="l"><a href={address({ view: "pair", a: cell.layer_a, b: cell.layer_b, i: fa, j: fb })}>a{fa} · b{fb}</a></td><td>{score(map.pairs.r[i])}</td>
              <td class="l"><bdi class="tok">{clipped(visibleToken(map.a.token[x] ?? ""), 32)}</bdi></td><td class="l"><bdi class="tok">{clipped(visibleToken(map.b.token[y] ?? ""), 32)}</bdi></td></tr>;
          })}</tbody>
        </table>
      )}
    </div>
  );
}

function placed(side: MapSide): Point[] {
  const x = extent(side.x) ?? [0, 1];
  const y = extent(side.y) ?? [0, 1];
  const at = (v: number, [low, high]: number[]): number => 10 + ((v - low!) / (high! - low! || 1)) * (SIZE - 20);
  return side.features.map((_, i) => [at(side.x[i]!, x), SIZE - at(side.y[i]!, y)]);
}

const dots = (points: Point[]): string => points.map(([x, y]) => `M${x.toFixed(1)} ${y.toFixed(1)}h0`).join("");

function Plot({ name, points, matched, lit, outline, onDraw }: {
  name: string; points: Point[]; matched: Set<number>; lit: number[]; outline: Point[]; onDraw: (outline: Point[]) => void;
}) {
  const line = useRef<Point[] | null>(null);
  const still = useMemo(() => ({
    rest: dots(points.filter((_, i) => !matched.has(i))), matched: dots(points.filter((_, i) => matched.has(i))),
  }), [points, matched]);
  const at = (event: PointerEvent): Point => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIZE, ((event.clientY - box.top) / box.height) * SIZE];
  };
  const grow = (event: PointerEvent): void => {
    if (!line.current) return;
    line.current = [...line.current, at(event)];
    onDraw(line.current);
  };
  return (
    <figure class="chart map">
      <figcaption><bdi>{name}</bdi></figcaption>
      <svg viewBox={`0 0 ${SIZE} ${SIZE}`} role="img" aria-label={`Features of ${name} in two dimensions`}
        onPointerDown={(event) => { (event.currentTarget as Element).setPointerCapture(event.pointerId); line.current = [at(event)]; onDraw(line.current); }}
        onPointerMove={grow} onPointerUp={(event) => { grow(event); if ((line.current?.length ?? 0) < 4) onDraw([]); line.current = null; }}>
        <path class="dots rest" d={still.rest} stroke-width="2.5" />
        <path class="dots one" d={still.matched} stroke-width="3.5" />
        <path class="dots two" d={dots(lit.map((i) => points[i]!))} stroke-width="7" />
        {outline.length > 1 && <polygon class="lasso" points={outline.map(([x, y]) => `${x},${y}`).join(" ")} />}
      </svg>
    </figure>
  );
}
