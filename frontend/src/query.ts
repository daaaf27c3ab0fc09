/** Searching and sorting matches inside the page: what the explorer's server does, on the rows a report has. */
import type { MatchesAnswer, MatchQuery, MatchRow, MatchSort } from "./types";
import { visibleToken } from "./visible";

const FEATURE = /^([ab]?)(\d+)$/;

export function select(answer: MatchesAnswer, query: MatchQuery): MatchesAnswer {
  const { search = "", sort = "interest", descending = true, offset = 0, limit = 50, kept = "all" } = query;
  const found = answer.rows.filter((row) => isWanted(row, kept) && holds(row, search));
  const sorted = sortedBy(found, sort, descending);
  return { ...answer, total: found.length, rows: sorted.slice(offset, offset + limit) };
}

const isWanted = (row: MatchRow, kept: string): boolean => kept === "all" || row.kept === (kept === "kept");

/** Whether a row has the text in a token of either side, or is the feature whose number is asked for. */
export function holds(row: MatchRow, search: string): boolean {
  const wanted = search.toLocaleLowerCase();
  if (wanted.trim() === "") return true;
  const named = FEATURE.exec(wanted.trim());
  if (named) {
    const number = Number(named[2]);
    if (named[1] !== "b" && row.feature_a === number) return true;
    if (named[1] !== "a" && row.feature_b === number) return true;
  }
  return [...row.top_tokens_a, ...row.top_tokens_b].some(
    (token) => token.toLocaleLowerCase().includes(wanted) || visibleToken(token).toLocaleLowerCase().includes(wanted),
  );
}

/** A stable sort; rows without the number come last whichever way it goes. */
export function sortedBy(rows: MatchRow[], sort: MatchSort, descending: boolean): MatchRow[] {
  const value = (row: MatchRow): number | null => {
    const found = row[sort];
    return typeof found === "boolean" ? Number(found) : found;
  };
  return [...rows].sort((one, other) => {
    const [x, y] = [value(one), value(other)];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    return descending ? y - x : x - y;
  });
}
