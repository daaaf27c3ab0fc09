/** Concepts over the layers, and the keywords that carry them. */
import { useState } from "preact/hooks";
import { cellColours } from "./colours";
import { Pick } from "./GridView";
import { extent, score, there } from "./numbers";
import type { Overview, Side, Source } from "./types";
import { useAnswer } from "./use";

export function ConceptsView({ source, overview }: { source: Source; overview: Overview }) {
  const { value, error } = useAnswer(() => source.concepts(), "concepts");
  const [side, turn] = useState<Side>("a");
  const [picked, pick] = useState("");
  if (error) return <p class="caveat">{error}</p>;
  if (!value || value.concepts.length === 0) return null;
  const measures = [...new Set(value.by_layer.map((one) => one.measure))];
  const measure = measures.includes(picked) ? picked : measures[0] ?? "";
  const rows = value.by_layer.filter((one) => one.measure === measure && one.side === side);
  const [low, high] = extent(rows.flatMap((one) => one.values)) ?? [0, 1];
  const [from, to] = [Math.min(0, low), Math.max(high, 1e-9)];
  return (
    <section id="app-concepts" class="app-section">
      <h2>Concepts over the layers</h2>
      <div class="card flush">
        <div class="controls">
          <Pick label="Measure" value={measure} options={measures.map((one) => [one, overview.measures.find((m) => m.label === one)?.title ?? one])} onPick={pick} />
          <Pick label="Layers of" value={side} options={[["a", overview.sides.a.name], ["b", overview.sides.b.name]]} onPick={(v) => turn(v as Side)} />
        </div>
        <div class="scroll" tabIndex={0} role="region" aria-label="Concepts over the layers">
          <table class="plain shaded">
            <caption>Best score of each layer, and the layer of the other side it was found with</caption>
            <thead><tr><th scope="col" class="words">concept</th>{rows[0]?.layers.map((layer) => <th key={layer} scope="col">{layer}</th>)}</tr></thead>
            <tbody>{rows.map((row) => (
              <tr key={`${row.concept}|${row.subspace}`}><th scope="row" class="words">{row.concept}{row.subspace && row.subspace !== "all" && row.subspace !== row.concept ? ` · ${row.subspace}` : ""}</th>
                {row.values.map((v, i) => <td key={i} style={there(v) ? cellColours((v - from) / (to - from)) : undefined} class={there(v) ? "shade" : ""}>{score(v)}{there(row.partners[i]) && <small> · {row.partners[i]}</small>}</td>)}</tr>
            ))}</tbody>
          </table>
        </div>
        <div class="scroll" tabIndex={0} role="region" aria-label="Keywords">
          <table class="plain">
            <caption>Keywords that carry the members, with features on both sides</caption>
            <thead><tr><th scope="col" class="words">concept</th><th scope="col" class="words">keyword: pairs, features of a / b</th></tr></thead>
            <tbody>{value.concepts.filter((one) => one.keywords.length > 0).map((one) => (
              <tr key={`${one.concept}|${one.subspace}`}><th scope="row" class="words">{one.concept}</th>
                <td class="words">{one.keywords.slice(0, 12).map((k) => <span key={k.keyword} class="keyword"><bdi class="tok">{k.keyword}</bdi> {k.pairs}, {k.features_a} / {k.features_b} </span>)}</td></tr>
            ))}</tbody>
          </table>
        </div>
      </div>
    </section>
  );
}
