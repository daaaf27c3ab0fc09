/** Living features of one side that kept no partner. */
import { useState } from "preact/hooks";
import { Pick } from "./GridView";
import { count, score } from "./numbers";
import { cellKey } from "./source";
import { ContextLine, TokenList } from "./Tokens";
import type { CellKey, Overview, Side, Source } from "./types";
import { useAnswer } from "./use";

const PAGE = 25;

export function UnmatchedView({ source, overview, cell }: { source: Source; overview: Overview; cell: CellKey }) {
  const [side, turn] = useState<Side>("a");
  const [limit, grow] = useState(PAGE);
  const { value, error } = useAnswer(() => source.unmatched(cell, side), `${cellKey(cell)}|${side}`);
  return (
    <section id="unmatched" class="app-section">
      <h2>Features without a counterpart</h2>
      {(error || value?.words) && <p class="lede">{error ?? value?.words}</p>}
      <div class="card flush">
        <div class="controls">
          <Pick label="Side" value={side} options={[["a", overview.sides.a.name], ["b", overview.sides.b.name]]} onPick={(v) => { turn(v as Side); grow(PAGE); }} />
          <p class="found" role="status">{value ? `${count(value.total)} features` : value === null ? "not in this file" : "Reading…"}</p>
        </div>
        {value && value.rows.length > 0 && (
          <div class="scroll" tabIndex={0} role="region" aria-label="Features without a counterpart">
            <table class="plain">
              <thead><tr><th scope="col" class="l">feature</th><th scope="col">fires</th><th scope="col">best r</th><th scope="col" class="l">dropped by</th><th scope="col" class="l">top tokens</th><th scope="col" class="l">text</th></tr></thead>
              <tbody>{value.rows.slice(0, limit).map((row) => (
                <tr key={row.feature}><td class="l">{side}{row.feature}</td><td>{count(row.firings)}</td><td>{score(row.r)}</td><td class="l">{row.removed_by || "no partner"}</td><td class="l"><TokenList tokens={row.top_tokens} /></td>
                  <td class="l">{row.contexts?.slice(0, 1).map((one, i) => (
                    <ContextLine key={i} maxA={row.max ?? 0} maxB={row.max ?? 0}
                      context={{ document: 0, position: i, tokens: one.tokens, peak: one.peak, a: side === "a" ? one.values : [], b: side === "b" ? one.values : [] }} />
                  ))}</td></tr>
              ))}</tbody>
            </table>
          </div>
        )}
        {value && value.rows.length > limit && <p class="more"><button type="button" onClick={() => grow(limit + PAGE)}>Show {Math.min(PAGE, value.rows.length - limit)} more</button></p>}
      </div>
    </section>
  );
}
