import { describe, expect, it } from "vitest";
import { cellColours, luminance, mix } from "../src/colours";
import { allSame, bestCell, gridOf, partners, scaleOf, spaceOf } from "../src/grids";
import { inside } from "../src/lasso";
import { extent, histogram, probability, score, short, ticks, share } from "../src/numbers";
import { address, parse } from "../src/place";
import { holds, select, sortedBy } from "../src/query";
import { clipped, marked, visibleToken } from "../src/visible";
import type { Grid, MatchesAnswer, MatchRow, SideInfo } from "../src/types";

const row = (given: Partial<MatchRow>): MatchRow => ({
  feature_a: 1, feature_b: 2, r: 0.5, margin: 0.1, mutual: true, firings_a: 10, firings_b: 10, cofirings: 5, overlap: 0.3,
  null_r: null, p_r: null, kept: true, removed_by: "", top_tokens_a: [" king"], top_tokens_b: [" queen"], interest: 0.5, has_pair: true, ...given,
});
const answer = (rows: MatchRow[]): MatchesAnswer => ({ total: rows.length, available: rows.length, all: rows.length, rows, interest_words: "" });

describe("text that isn't ours", () => {
  it("shows marks instead of obeying them", () => {
    expect(visibleToken("\u202ea\u0000 b\n\u00a0")).toBe("\\u202ea\\x00␣b⏎⍽");
    expect(marked("a b\u2028\u{e0001}")).toBe("a b\\u2028\\U000e0001");
    expect(visibleToken("")).toBe("∅");
  });
  it("leaves letters of every script", () => expect(marked("日本 עברית é 😀")).toBe("日本 עברית é 😀"));
  it("cuts what is too long and says so", () => expect(clipped("x".repeat(10_000), 3)).toBe("xxx… (+9997)"));
});

describe("numbers", () => {
  it("are written as in the report's tables", () => {
    expect([0.4321, 0.0042, null, -0.0001, NaN].map(score)).toEqual(["0.43", "0.004", "–", "0.000", "–"]);
    expect([1 / 1001, 0.0496, 0.3, 1e-5, 0.0504].map(probability)).toEqual(["0.001", "0.050", "0.30", "1e-5", "0.0504"]);
    expect([123.4, 12.34, -1.234].map(short)).toEqual(["123", "12.3", "-1.23"]);
  });
  it("have extents, ticks and counts", () => {
    expect(extent([null, 3, -1, NaN])).toEqual([-1, 3]);
    expect(extent([null])).toBeNull();
    expect(ticks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(histogram([0, 0.1, 0.99, 1, null], 0, 1, 2).map((bin) => bin.count)).toEqual([2, 2]);
  });
});

describe("the address", () => {
  it("comes back as it was written", () => {
    for (const place of [{ view: "grid" }, { view: "cell", a: 0, b: 12 }, { view: "pair", a: 3, b: 4, i: 512, j: 7 }] as const) {
      expect(parse(address(place))).toEqual(place);
    }
  });
  it("names nothing else", () => {
    for (const hash of ["", "#cells", "#/cell/1", "#/cell/1/2/3/4", "#/pair/1/2", "#/pair/1/2/3/x", "#/pair/1/2/3/-4"]) expect(parse(hash)).toBeNull();
  });
});

describe("matches", () => {
  it("are found by token and by feature number", () => {
    expect(holds(row({}), "KING")).toBe(true);
    expect(holds(row({}), "␣que")).toBe(true);
    expect(holds(row({}), "joker")).toBe(false);
    expect(["1", "a1", "b1", "b2", " 2 "].map((text) => holds(row({}), text))).toEqual([true, true, false, true, true]);
  });
  it("are sorted, those without the number last", () => {
    const rows = [row({ r: null }), row({ r: 0.2 }), row({ r: 0.9 })];
    expect(sortedBy(rows, "r", true).map((one) => one.r)).toEqual([0.9, 0.2, null]);
    expect(sortedBy(rows, "r", false).map((one) => one.r)).toEqual([0.2, 0.9, null]);
    expect(sortedBy([row({ mutual: false }), row({})], "mutual", true)[0]!.mutual).toBe(true);
  });
  it("are filtered and counted before they are cut", () => {
    const rows = [row({}), row({ kept: false }), row({ feature_a: 3 })];
    const found = select(answer(rows), { kept: "kept", limit: 1 });
    expect([found.total, found.rows.length, found.all]).toEqual([2, 1, 3]);
    expect(select(answer(rows), { kept: "removed" }).total).toBe(1);
  });
});

const grid = (given: Partial<Grid> = {}): Grid => ({
  measure: "rsa", concept: "all", subspace: "all", control: "none", null: "pairing", first_null: true, layers_a: [0, 1], layers_b: [2, 3, 4],
  values: { value: [[0.1, 0.4, null], [0.3, 0.2, 0.6]] } as Grid["values"], draws: 99, alternative: "greater", star_words: "", warnings: [],
  claim: "", sentences: [], ...given,
});
const side: SideInfo = { name: "m", model: "m", layers: [0, 1], depth: 3, d_model: 8, d_sae: {}, notes: [] };

describe("grids", () => {
  it("are chosen by space, then measure, then null", () => {
    const grids = [grid(), grid({ measure: "svcca" }), grid({ measure: "svcca", null: "rotation", first_null: false }), grid({ concept: "Time" })];
    const pick = (given: object) => gridOf(grids, { measure: "svcca", space: spaceOf(grid()), null: "pairing", value: "value", ...given });
    expect(pick({})).toBe(grids[1]);
    expect(pick({ null: "rotation" })).toBe(grids[2]);
    expect(pick({ space: spaceOf(grid({ concept: "Time" })) })).toBe(grids[3]);
    expect(pick({ measure: "unknown" })).toBe(grids[0]);
  });
  it("give each layer its best partner and depth", () => {
    expect(partners(grid(), "a", side).map((one) => [one.partner, one.value, one.depth])).toEqual([[3, 0.4, 0], [4, 0.6, 0.5]]);
    expect(partners(grid({ alternative: "less" }), "b", side).map((one) => one.partner)).toEqual([0, 1, 1]);
    expect(bestCell(grid())).toEqual([1, 2]);
  });
  it("tell when every number is the same", () => {
    expect(allSame([[0.001, 0.001], [null, 0.001]])).toBe(0.001);
    expect(allSame([[0.1, 0.2]])).toBeNull();
  });
  it("shade small p strongly and scores from 0 to 1", () => {
    const p = scaleOf([[0.001, 1]], "q").place;
    expect([p(1), p(0.001)]).toEqual([0, 1].map((v) => expect.closeTo(v, 9)));
    expect(scaleOf([[0.2, 0.4]], "value").place(0.4)).toBeCloseTo(0.4);
  });
});

describe("colours", () => {
  it("leave every cell's text at least 4.5 to 1", () => {
    for (let step = 0; step <= 100; step += 1) {
      const found = cellColours(step / 100);
      for (const [back, front] of [["--bl", "--il"], ["--bd", "--id"]] as const) {
        const [x, y] = [found[back]!, found[front]!].map((hex) => luminance(mix([hex, hex], 0))).sort((one, other) => other - one) as [number, number];
        expect((x + 0.05) / (y + 0.05)).toBeGreaterThanOrEqual(4.5);
      }
    }
  });
});

describe("a drawn line", () => {
  it("holds what lies inside it, also where it bends inward", () => {
    const outline: [number, number][] = [[0, 0], [10, 0], [10, 10], [5, 2], [0, 10]];
    expect([inside([1, 5], outline), inside([5, 5], outline), inside([5, 1], outline), inside([11, 1], outline)]).toEqual([true, false, true, false]);
  });
});

describe("shares", () => {
  it("never round what is there to nothing, nor what is left to all", () => {
    expect([0, 0.001, 0.256, 0.998, 1, null].map(share)).toEqual(["0%", "<1%", "26%", ">99%", "100%", "–"]);
  });
});
