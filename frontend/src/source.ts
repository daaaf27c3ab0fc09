/** The two places that answers come from: the JSON inside a report, or the server of `congruence explore`. */
import { select } from "./query";
import type { CellKey, Embedded, Side, Source } from "./types";

export const cellKey = (cell: CellKey): string =>
  [cell.control, cell.control_side, cell.layer_a, cell.layer_b].join("|");

export function embeddedSource(blob: Embedded): Source {
  return {
    overview: async () => blob.overview,
    cell: async (cell) => {
      const found = blob.cells[cellKey(cell)];
      if (!found) throw new Error(`this file has no details of layer pair (${cell.layer_a}, ${cell.layer_b})`);
      return found;
    },
    matches: async (cell, query) => (blob.matches[cellKey(cell)] ? select(blob.matches[cellKey(cell)]!, query) : null),
    pair: async (cell, a, b) => blob.pairs[`${cellKey(cell)}|${a}|${b}`] ?? null,
    map: async (cell) => blob.maps[cellKey(cell)] ?? null,
    concepts: async () => blob.concepts,
    unmatched: async (cell, side: Side) => blob.unmatched[`${cellKey(cell)}|${side}`] ?? null,
  };
}

export function httpSource(token: string): Source {
  async function ask<T>(what: string, query: object = {}): Promise<T> {
    const fields = Object.entries(query).filter(([, value]) => value !== undefined);
    const text = new URLSearchParams(fields.map(([name, value]) => [name, String(value)])).toString();
    const answer = await fetch(`/api/${what}${text ? `?${text}` : ""}`, { headers: { "X-Congruence-Token": token } });
    const body: unknown = await answer.json();
    if (!answer.ok) throw new Error((body as { error?: string }).error ?? `the server answered ${answer.status}`);
    return body as T;
  }
  const at = ({ control, control_side, layer_a, layer_b }: CellKey): CellKey => ({ control, control_side, layer_a, layer_b });
  return {
    overview: () => ask("overview"),
    cell: (cell) => ask("cell", at(cell)),
    matches: (cell, query) => ask("matches", { ...at(cell), ...query }),
    pair: (cell, feature_a, feature_b) => ask("pair", { ...at(cell), feature_a, feature_b }),
    map: (cell) => ask("map", at(cell)),
    concepts: () => ask("concepts"),
    unmatched: (cell, side) => ask("unmatched", { ...at(cell), side }),
  };
}
