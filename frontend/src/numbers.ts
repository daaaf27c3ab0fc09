/** How numbers are written. A number that isn't there is null. */

export type Num = number | null | undefined;

export const there = (value: Num): value is number => value !== null && value !== undefined && Number.isFinite(value);

/** A score or correlation: two decimals, three where it is below 0.1. */
export function score(value: Num): string {
  if (!there(value)) return "–";
  const text = value.toFixed(Math.abs(value) >= 0.0995 ? 2 : 3);
  return Number(text) === 0 ? text.replace("-", "") : text;
}

/** p and q: never rounded to 0, and never across 0.05. */
export function probability(value: Num): string {
  if (!there(value)) return "–";
  if (value >= 0.0995) return value.toFixed(2);
  if (value < 0.0005) return value.toExponential(0);
  const text = value.toFixed(3);
  return value <= 0.05 === Number(text) <= 0.05 ? text : value.toFixed(4);
}

export function count(value: Num): string {
  return there(value) && value >= 0 ? value.toLocaleString("en-US") : "–";
}

/** Two significant digits for z and shares, short enough for a map's cell. */
export function short(value: Num): string {
  if (!there(value)) return "–";
  const size = Math.abs(value);
  const text = size >= 100 ? size.toFixed(0) : size >= 10 ? size.toFixed(1) : size.toFixed(2);
  return value < 0 && Number(text) !== 0 ? `-${text}` : text;
}

/** A share as percent; what isn't nothing is not 0%, what isn't all not 100%. */
export function share(value: Num): string {
  if (!there(value)) return "–";
  if (value > 0 && value < 0.005) return "<1%";
  if (value < 1 && value >= 0.995) return ">99%";
  return `${Math.round(100 * value)}%`;
}

/** Smallest and largest of what is there, or null. */
export function extent(values: Iterable<Num>): [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!there(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}

/** Round tick values from `low` to `high`, about `wanted` of them. */
export function ticks(low: number, high: number, wanted = 5): number[] {
  if (!(high > low)) return [low];
  const raw = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw)!;
  const found: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) found.push(Number((i * step).toPrecision(12)));
  return found;
}

export interface Bin { from: number; to: number; count: number }

/** Counts of equal bins over [low, high]; values outside fall into the outer bins. */
export function histogram(values: Iterable<Num>, low: number, high: number, bins: number): Bin[] {
  const width = (high - low) / bins;
  const found = Array.from({ length: bins }, (_, i) => ({ from: low + i * width, to: low + (i + 1) * width, count: 0 }));
  for (const value of values) {
    if (!there(value)) continue;
    const place = Math.min(bins - 1, Math.max(0, Math.floor((value - low) / width)));
    found[place]!.count += 1;
  }
  return found;
}
