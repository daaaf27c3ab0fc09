/** One layer pair: what was matched, what the filters took, how the score stands to chance, what warns. */
import { useState } from "preact/hooks";
import { Bars, Points } from "./charts";
import { count, probability, score } from "./numbers";
import type { CellAnswer, CellKey, Overview } from "./types";
import { Pick } from "./GridView";
import { useAnswer } from "./use";
import { cellKey } from "./source";
import type { Source } from "./types";

export function CellView({ source, overview, cell, measure }: { source: Source; overview: Overview; cell: CellKey; measure: string }) {
  const { value, error, waiting } = useAnswer(() => source.cell(cell), cellKey(cell));
  return (
    <section id="cell" class="app-section" tabIndex={-1} aria-busy={waiting}>
      <h2>Layer {cell.layer_a} of <bdi>{overview.sides.a.name}</bdi> × layer {cell.layer_b} of <bdi>{overview.sides.b.name}</bdi></h2>
      {error && <p class="caveat">{error}</p>}
      {waiting && <p class="soft">Reading…</p>}
      {value && <Details key={cellKey(cell)} answer={value} overview={overview} measure={measure} />}
    </section>
  );
}

function Details({ answer, overview, measure }: { answer: CellAnswer; overview: Overview; measure: string }) {
  const whole = answer.scores.map((one, i) => ({ ...one, i }));
  const [picked, pick] = useState<number | null>(null);
  const shown = whole[picked ?? Math.max(0, whole.findIndex((one) => one.measure === measure))];
  const title = (label: string): string => overview.measures.find((one) => one.label === label)?.title ?? label;
  const { r, firing } = answer;
  const nullMarks = (r?.null_r ?? []).map((at, i) => ({ at, class: "null", words: i === 0 ? "95% point of r on unrelated text" : `unrelated text (${i + 1})` }));
  return (
    <div class="card">
      <div class="charts">
        {r && <Bars title="Correlation of the matched features" xLabel="r" edges={r.edges} marks={nullMarks} series={[
          { name: "matched", class: "rest", counts: r.before }, { name: "kept by the filters", class: "one", counts: r.after },
        ]} />}
        {shown && (
          <div>
            {!r ? <p class="soft">This file holds the scores of this layer pair without its pairs and null draws: it has room for those of the best. <code>congruence explore</code> shows every one.</p> : shown.histogram
              ? <Bars title={`${title(shown.measure)}: score and its null draws`} xLabel="score" edges={shown.histogram.edges}
                series={[{ name: "null draws", class: "rest", counts: shown.histogram.counts }]}
                marks={[{ at: shown.value, class: "one", words: `score ${score(shown.value)}` }, { at: shown.ceiling, class: "ceiling", words: `ceiling ${score(shown.ceiling)}` }]} />
              : <p class="soft">{title(shown.measure)}: the null draws of this score aren't stored.</p>}
            {whole.length > 1 && <Pick label="Score" value={String(shown.i)} onPick={(v) => pick(Number(v))}
              options={whole.map((one) => [String(one.i), `${title(one.measure)}, null ${one.null}${one.concept !== "all" && one.concept ? `, ${one.concept}` : ""}`])} />}
            <p class="reading">{shown.sentence}</p>
            {shown.warnings.map((text) => <p key={text} class="caveat">{text}</p>)}
          </div>
        )}
        <Waterfall answer={answer} />
        {firing && <Points title="How often both features of a pair fire" xLabel={`fires in ${overview.sides.a.name}`} yLabel={`fires in ${overview.sides.b.name}`} log
          x={firing.firings_a} y={firing.firings_b} front={firing.kept} names={["kept pairs", "removed pairs"]} />}
      </div>
      <dl class="facts">
        <dt>Living features</dt><dd>{count(answer.alive_a)} and {count(answer.alive_b)}; without a kept partner {count(answer.unmatched_a)} and {count(answer.unmatched_b)}</dd>
        <dt>Mean r</dt><dd>{score(answer.mean_r_before)} matched, {score(answer.mean_r_after)} kept</dd>
      </dl>
      {answer.warnings.map((text) => <p key={text} class="caveat">{text}</p>)}
      <details>
        <summary>All {answer.scores.length} scores of this layer pair</summary>
        <div class="scroll" tabIndex={0} role="region" aria-label="All scores of this layer pair">
          <table class="plain">
            <thead><tr><th scope="col" class="words">measure</th><th scope="col">null</th><th scope="col">n</th><th scope="col">score</th><th scope="col">95%</th><th scope="col">chance</th><th scope="col">p</th><th scope="col">q</th><th scope="col">ceiling</th></tr></thead>
            <tbody>{whole.map((one) => (
              <tr key={one.i}><th scope="row" class="words">{title(one.measure)}{one.concept && one.concept !== "all" ? `, ${one.concept}` : ""}</th><td>{one.null}</td><td>{count(one.n)}</td><td>{score(one.value)}</td>
                <td>{one.low === null ? "–" : `${score(one.low)} to ${score(one.high)}`}</td><td>{score(one.null_mean)}</td><td>{probability(one.p)}</td><td>{probability(one.q)}</td><td>{score(one.ceiling)}</td></tr>
            ))}</tbody>
          </table>
        </div>
      </details>
    </div>
  );
}

function Waterfall({ answer }: { answer: CellAnswer }) {
  const whole = Math.max(1, answer.pairs_before);
  const share = (n: number): string => `${(100 * n) / whole}%`;
  return (
    <figure class="chart">
      <figcaption>What the filters took</figcaption>
      <div class="flow">
        {answer.waterfall.map((step, i) => (
          <div key={step.step}><span>{step.step}</span>
            <span class="b"><i style={{ left: "0", width: share(step.left) }} /><i class="gone" style={{ left: share(step.left), width: share(step.removed) }} /></span>
            <span>{i === 0 && step.removed === 0 ? count(step.left) : `−${count(step.removed)}`}</span></div>
        ))}
        <div><span><b>scored</b></span><span class="b"><i style={{ left: "0", width: share(answer.pairs_after) }} /></span><span><b>{count(answer.pairs_after)}</b></span></div>
      </div>
    </figure>
  );
}
