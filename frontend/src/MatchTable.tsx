/** The matched features of a layer pair: searched, sorted, kept or dropped and why, each opened as a pair. */
import { useEffect, useState } from "preact/hooks";
import { Pick } from "./GridView";
import { count, score } from "./numbers";
import { address } from "./place";
import { cellKey } from "./source";
import { TokenList } from "./Tokens";
import type { CellKey, MatchRow, MatchSort, Overview, Source } from "./types";
import { useAnswer, useRested } from "./use";

const PAGE = 50;
const COLUMNS: [MatchSort, string][] = [
  ["r", "r"], ["margin", "margin"], ["interest", "surprise"], ["overlap", "overlap"], ["cofirings", "fire together"], ["mutual", "mutual"],
];

export interface Wanted { search: string; sort: MatchSort; descending: boolean; kept: "kept" | "removed" | "all" }
export const FIRST: Wanted = { search: "", sort: "interest", descending: true, kept: "kept" };

export function MatchTable({ source, overview, cell, wanted, want }: {
  source: Source; overview: Overview; cell: CellKey; wanted: Wanted; want: (wanted: Wanted) => void;
}) {
  const [limit, grow] = useState(PAGE);
  const query = { ...wanted, search: useRested(wanted.search, 120), offset: 0, limit };
  const key = cellKey(cell) + JSON.stringify(query);
  const { value: now, error, waiting } = useAnswer(() => source.matches(cell, query), key);
  const [held, keep] = useState({ now, of: cellKey(cell) });
  useEffect(() => { if (now) keep({ now, of: cellKey(cell) }); }, [now]);
  const value = now ?? (held.of === cellKey(cell) ? held.now : undefined);
  useEffect(() => grow(PAGE), [cellKey(cell), wanted]);
  const sort = (column: MatchSort): void => want({ ...wanted, sort: column, descending: wanted.sort === column ? !wanted.descending : true });
  if (!waiting && now === null) return null;
  const [nameA, nameB] = [overview.sides.a.name, overview.sides.b.name];
  return (
    <section id="matches" class="app-section">
      <h2>Matched features</h2>
      <p class="lede">{value?.interest_words} {value && value.available < value.all && `This file holds ${count(value.available)} of the ${count(value.all)} pairs of this layer pair.`}</p>
      <div class="card flush">
        <div class="controls">
          <label class="pick"><span>Search</span><input type="search" value={wanted.search} placeholder="token, 512, a512 or b512" maxLength={200}
            onInput={(event) => want({ ...wanted, search: event.currentTarget.value })} /></label>
          <Pick label="Show" value={wanted.kept} options={[["kept", "kept pairs"], ["removed", "dropped pairs"], ["all", "all pairs"]]} onPick={(v) => want({ ...wanted, kept: v as Wanted["kept"] })} />
          <p class="found" role="status">{error ?? (value ? `${count(value.total)} pairs` : "Reading…")}</p>
        </div>
        <div class="scroll" tabIndex={0} role="region" aria-label="Matched features">
          <table class="plain matches">
            <thead><tr>
              <th scope="col" class="l">pair</th>
              <th scope="col" class="l">top tokens in <bdi>{nameA}</bdi></th><th scope="col" class="l">top tokens in <bdi>{nameB}</bdi></th>
              {COLUMNS.map(([name, words]) => (
                <th key={name} scope="col" aria-sort={wanted.sort === name ? (wanted.descending ? "descending" : "ascending") : "none"}>
                  <button type="button" class="sort" onClick={() => sort(name)}>{words}{wanted.sort === name ? (wanted.descending ? " ↓" : " ↑") : ""}</button></th>
              ))}
              <th scope="col">fires in a / b</th><th scope="col" class="l">kept</th>
            </tr></thead>
            <tbody>{value?.rows.map((row) => <Row key={`${row.feature_a}-${row.feature_b}`} row={row} cell={cell} />)}</tbody>
          </table>
        </div>
        {value && value.rows.length < value.total && <p class="more"><button type="button" onClick={() => grow(limit + PAGE)}>Show {Math.min(PAGE, value.total - value.rows.length)} more</button></p>}
      </div>
    </section>
  );
}

function Row({ row, cell }: { row: MatchRow; cell: CellKey }) {
  const shared = row.top_tokens_a.filter((token) => row.top_tokens_b.includes(token));
  const name = `a${row.feature_a} · b${row.feature_b}`;
  const place = { view: "pair", a: cell.layer_a, b: cell.layer_b, i: row.feature_a, j: row.feature_b } as const;
  return (
    <tr class={row.kept ? "" : "dropped"}>
      <td class="l">{row.has_pair ? <a href={address(place)}>{name}</a> : name}</td>
      <td class="l"><TokenList tokens={row.top_tokens_a} shared={shared} /></td>
      <td class="l"><TokenList tokens={row.top_tokens_b} shared={shared} /></td>
      <td>{score(row.r)}</td><td>{score(row.margin)}</td><td>{score(row.interest)}</td><td>{score(row.overlap)}</td><td>{count(row.cofirings)}</td><td>{row.mutual ? "yes" : "no"}</td>
      <td>{count(row.firings_a)} / {count(row.firings_b)}</td>
      <td class="l">{row.kept ? "kept" : `dropped: ${row.removed_by || "?"}`}</td>
    </tr>
  );
}
