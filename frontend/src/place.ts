/** Where the reader is, written in the address after "#": what a copied link holds. */

export type Place =
  | { view: "grid" }
  | { view: "cell"; a: number; b: number }
  | { view: "pair"; a: number; b: number; i: number; j: number };

const FORM = /^#?\/?(cell|pair)\/(\d+)\/(\d+)(?:\/(\d+)\/(\d+))?$/;

/** The place an address names, or null where it names none of ours (a section of the page). */
export function parse(hash: string): Place | null {
  if (hash === "#/grid") return { view: "grid" };
  const found = FORM.exec(hash);
  if (!found) return null;
  const [a, b, i, j] = found.slice(2).map(Number) as [number, number, number, number];
  if (found[1] === "cell") return found[4] === undefined ? { view: "cell", a, b } : null;
  return found[4] === undefined ? null : { view: "pair", a, b, i, j };
}

export function address(place: Place): string {
  if (place.view === "grid") return "#/grid";
  if (place.view === "cell") return `#/cell/${place.a}/${place.b}`;
  return `#/pair/${place.a}/${place.b}/${place.i}/${place.j}`;
}
