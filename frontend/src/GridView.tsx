/** The grid with its switches, the numbers of the cell in hand, and beside it depth and best partners. */
import { useState } from "preact/hooks";
import { HeatMap } from "./HeatMap";
import { Lines } from "./charts";
import { allSame, bestCell, gridOf, holdsValue, partners, scaleOf, spaceOf, spaceWords, VALUES, writer, type Choice, type Partner } from "./grids";
import { count, probability, score, short, there } from "./numbers";
import type { Grid, GridValue, Overview } from "./types";

export function GridView({ overview, choice, choose, cell, open }: {
  overview: Overview; choice: Choice; choose: (choice: Choice) => void;
  cell: [number, number] | null; open: (a: number, b: number) => void;
}) {
  const [pointed, point] = useState<[number, number] | null>(null);
  const grid = gridOf(overview.grids, choice);
  if (!grid) return <section id="grid" class="app-section"><h2>Layer by layer</h2><p>This run has no grid of scores.</p></section>;
  const shown = holdsValue(grid, choice.value) ? choice.value : "value";
  const values = grid.values[shown] ?? [];
  const { place, ends } = scaleOf(values, shown);
  const measure = overview.measures.find((one) => one.label === grid.measure);
  const same = allSame(values);
  const chosen: [number, number] | null = cell && grid.layers_a.includes(cell[0]) && grid.layers_b.includes(cell[1])
    ? [grid.layers_a.indexOf(cell[0]), grid.layers_b.indexOf(cell[1])] : null;
  const at = pointed && pointed[0] < grid.layers_a.length && pointed[1] < grid.layers_b.length ? pointed : chosen ?? bestCell(grid) ?? [0, 0];
  const spaces = new Map(overview.grids.map((one) => [spaceOf(one), spaceWords(one)]));
  const inSpace = overview.grids.filter((one) => spaceOf(one) === spaceOf(grid));
  const measures = [...new Set(inSpace.map((one) => one.measure))];
  const nulls = inSpace.filter((one) => one.measure === grid.measure).map((one) => one.null);
  const [ofA, ofB] = [partners(grid, "a", overview.sides.a), partners(grid, "b", overview.sides.b)];
  const pick = (changed: Partial<Choice>): void => choose({ ...choice, measure: grid.measure, space: spaceOf(grid), null: grid.null, ...changed });

  return (
    <section id="grid" class="app-section">
      <h2>Layer by layer</h2>
      <div class="card">
        <div class="controls">
          <Pick label="Measure" value={grid.measure} options={measures.map((m) => [m, overview.measures.find((one) => one.label === m)?.title ?? m])} onPick={(v) => pick({ measure: v })} />
          <Pick label="Show" value={shown} options={VALUES.filter(([name]) => holdsValue(grid, name))} onPick={(v) => pick({ value: v as GridValue })} />
          {spaces.size > 1 && <Pick label="Space" value={spaceOf(grid)} options={[...spaces]} onPick={(v) => pick({ space: v })} />}
          {nulls.length > 1 && <Pick label="Null" value={grid.null} options={nulls.map((n) => [n, overview.nulls.find((one) => one.name === n)?.title ?? n])} onPick={(v) => pick({ null: v })} />}
        </div>
        {measure && <p class="reading">{measure.reading}</p>}
        {grid.claim && <p class="reading"><b>{grid.claim}</b></p>}
        {same !== null && <p class="reading" role="note">Every layer pair has the same number here: {writer(shown)(same)}.</p>}
        <div class="grid-beside">
          <HeatMap title={`${measure?.title ?? grid.measure}, ${VALUES.find(([name]) => name === shown)![1]}`}
            nameA={overview.sides.a.name} nameB={overview.sides.b.name} layersA={grid.layers_a} layersB={grid.layers_b}
            values={values} place={place} ends={ends} text={writer(shown)} chosen={chosen}
            starred={(x, y) => { const q = grid.values.q?.[x]?.[y]; return there(q) && q <= 0.05; }}
            onPoint={(x, y) => point([x, y])} onOpen={(x, y) => open(grid.layers_a[x]!, grid.layers_b[y]!)} />
          <div class="beside">
            <Readout grid={grid} at={at} overview={overview} open={open} />
            <Lines title="Best score of each layer over its depth" xLabel="relative depth" yLabel="best score" series={[
              { name: overview.sides.a.name, class: "one", x: ofA.map((p) => p.depth), y: ofA.map((p) => p.value) },
              { name: overview.sides.b.name, class: "two", x: ofB.map((p) => p.depth), y: ofB.map((p) => p.value) },
            ]} />
          </div>
        </div>
        <p class="foot">{grid.star_words && `${grid.star_words}. `}{grid.star_words.includes("★") && grid.layers_b.length > 8 && "Where a cell has no room for ★, it is a dot. "}{measure?.beware ?? ""}</p>
        <details>
          <summary>Best partner of each layer</summary>
          <div class="two-columns">
            <Partners name={overview.sides.a.name} other={overview.sides.b.name} rows={ofA} />
            <Partners name={overview.sides.b.name} other={overview.sides.a.name} rows={ofB} />
          </div>
        </details>
      </div>
    </section>
  );
}

export function Pick({ label, value, options, onPick }: { label: string; value: string; options: [string, string][]; onPick: (value: string) => void }) {
  return (
    <label class="pick"><span>{label}</span>
      <select value={value} onChange={(event) => onPick(event.currentTarget.value)}>
        {options.map(([name, words]) => <option key={name} value={name}>{words}</option>)}
      </select>
    </label>
  );
}

function Readout({ grid, at, overview, open }: { grid: Grid; at: [number, number]; overview: Overview; open: (a: number, b: number) => void }) {
  const [x, y] = at;
  const get = (name: GridValue) => grid.values[name]?.[x]?.[y] ?? null;
  const [a, b] = [grid.layers_a[x]!, grid.layers_b[y]!];
  const interval = there(get("low")) && there(get("high")) ? `${score(get("low"))} to ${score(get("high"))}` : null;
  const warnings = grid.warnings.find((one) => one.layer_a === a && one.layer_b === b)?.texts ?? [];
  const rows: [string, string][] = [
    ["n", count(get("n"))], ["chance", score(get("null_mean"))], ["z", short(get("z"))], ["p", probability(get("p"))],
    ["q", probability(get("q"))], ["ceiling", score(get("ceiling"))], ["calibrated", score(get("calibrated"))],
  ];
  return (
    <div class="readout">
      <p><bdi>{overview.sides.a.name}</bdi> {a} × <bdi>{overview.sides.b.name}</bdi> {b}</p>
      <p class="big">{score(get("value"))}{interval && <small> 95% {interval}</small>}</p>
      <dl>{rows.map(([name, text]) => <div key={name}><dt>{name}</dt><dd>{text}</dd></div>)}</dl>
      {warnings.map((text) => <p key={text} class="caveat">{text}</p>)}
      {grid.control === "none" && <button type="button" onClick={() => open(a, b)}>Open layer pair ({a}, {b})</button>}
    </div>
  );
}

function Partners({ name, other, rows }: { name: string; other: string; rows: Partner[] }) {
  return (
    <table class="plain">
      <caption>Layers of <bdi>{name}</bdi></caption>
      <thead><tr><th scope="col">layer</th><th scope="col">best partner in <bdi>{other}</bdi></th><th scope="col">score</th></tr></thead>
      <tbody>{rows.map((row) => <tr key={row.layer}><th scope="row">{row.layer}</th><td>{row.partner ?? "–"}</td><td>{score(row.value)}</td></tr>)}</tbody>
    </table>
  );
}
