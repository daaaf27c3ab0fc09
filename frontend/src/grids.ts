/** Choosing a grid and what it shows; best partners and relative depth. */
import { extent, probability, score, short, count, there, type Num } from "./numbers";
import type { Grid, GridValue, SideInfo } from "./types";

export const VALUES: [GridValue, string][] = [
  ["value", "score"], ["null_mean", "chance (null mean)"], ["calibrated", "calibrated score"], ["z", "z against chance"],
  ["p", "p"], ["q", "q (corrected)"], ["p_max_t", "p, whole grid (max T)"], ["ceiling", "ceiling"],
  ["share_of_ceiling", "share of the way to the ceiling"], ["n", "n (feature pairs)"],
];

export interface Choice { measure: string; space: string; null: string; value: GridValue }

/** What a grid is of, as one word: the whole space, a concept or union, a control. */
export const spaceOf = (grid: Grid): string => [grid.control, grid.concept, grid.subspace].join("|");

export function spaceWords(grid: Grid): string {
  if (grid.control !== "none") return `control: ${grid.control}`;
  if (grid.concept === "all" || grid.concept === "") return "whole space";
  return `concept: ${grid.concept}${grid.subspace && grid.subspace !== "all" && grid.subspace !== grid.concept ? ` (${grid.subspace})` : ""}`;
}

/** The grid of a choice, or the nearest there is: same space and measure, then same space, then the first. */
export function gridOf(grids: Grid[], choice: Choice): Grid | undefined {
  const space = grids.filter((grid) => spaceOf(grid) === choice.space);
  const measure = space.filter((grid) => grid.measure === choice.measure);
  return measure.find((grid) => grid.null === choice.null) ?? measure.find((grid) => grid.first_null) ?? measure[0] ?? space[0] ?? grids[0];
}

/** Whether the grid has any number of this kind. */
export const holdsValue = (grid: Grid, value: GridValue): boolean => (grid.values[value] ?? []).some((row) => row.some(there));

export const writer = (value: GridValue): ((number: Num) => string) =>
  value === "p" || value === "q" || value === "p_max_t" ? probability : value === "n" ? count : value === "z" ? short : score;

/** Places from pale (0) to strong (1), and what stands at either end. p and q: small is strong, in ratios. */
export function scaleOf(values: Num[][], value: GridValue): { place: (v: number) => number; ends: [string, string] } {
  const write = writer(value);
  const [low, high] = extent(values.flat()) ?? [0, 1];
  if (value === "p" || value === "q" || value === "p_max_t") {
    const floor = Math.min(0.001, Math.max(low, 1e-9));
    return { place: (v) => Math.log(Math.max(v, floor)) / Math.log(floor), ends: ["1", write(floor)] };
  }
  const from = Math.min(0, low);
  const to = value === "z" || value === "n" || high > 1 ? high : 1;
  return { place: (v) => (to > from ? (v - from) / (to - from) : 0), ends: [write(from), write(to)] };
}

/** The one number that every cell has, or null. */
export function allSame(values: Num[][]): number | null {
  const found = extent(values.flat());
  return found && found[0] === found[1] && values.flat().filter(there).length > 1 ? found[0] : null;
}

export interface Partner { layer: number; depth: number; partner: number | null; value: Num }

/** The best partner layer of each layer of one side; `less` where small scores are good. */
export function partners(grid: Grid, side: "a" | "b", info: SideInfo, value: GridValue = "value"): Partner[] {
  const values = grid.values[value] ?? [];
  const own = side === "a" ? grid.layers_a : grid.layers_b;
  const other = side === "a" ? grid.layers_b : grid.layers_a;
  const sign = grid.alternative === "less" ? -1 : 1;
  const deepest = Math.max(1, (info.depth ?? Math.max(...info.layers, ...own) + 1) - 1);
  return own.map((layer, i) => {
    let best: number | null = null;
    const at = (j: number): Num => (side === "a" ? values[i]?.[j] : values[j]?.[i]) ?? null;
    other.forEach((_, j) => {
      const v = at(j);
      if (there(v) && (best === null || sign * v > sign * (at(best) as number))) best = j;
    });
    return { layer, depth: layer / deepest, partner: best === null ? null : other[best]!, value: best === null ? null : at(best) };
  });
}

/** Row and column of the best score, or null. */
export function bestCell(grid: Grid): [number, number] | null {
  const sign = grid.alternative === "less" ? -1 : 1;
  let best: [number, number] | null = null;
  let most = -Infinity;
  (grid.values.value ?? []).forEach((row, x) => row.forEach((v, y) => {
    if (there(v) && sign * v > most) { most = sign * v; best = [x, y]; }
  }));
  return best;
}
