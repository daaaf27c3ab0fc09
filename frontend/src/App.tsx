/** What is open: a measure, a layer pair, a pair of features. The address says it, so back and links work. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { CellView } from "./CellView";
import { ConceptsView } from "./ConceptsView";
import { GridView } from "./GridView";
import { bestCell, spaceOf, type Choice } from "./grids";
import { MapView } from "./MapView";
import { FIRST, MatchTable, type Wanted } from "./MatchTable";
import { PairView } from "./PairView";
import { address, parse, type Place } from "./place";
import type { CellKey, Overview, Source } from "./types";
import { UnmatchedView } from "./UnmatchedView";

export function App({ source, overview }: { source: Source; overview: Overview }) {
  const lead = overview.grids[overview.headline] ?? overview.grids[0];
  const [choice, choose] = useState<Choice>({ measure: lead?.measure ?? "", space: lead ? spaceOf(lead) : "", null: lead?.null ?? "", value: "value" });
  const [place, go] = useState<Place>(parse(location.hash) ?? { view: "grid" });
  const [wanted, want] = useState<Wanted>(FIRST);
  const moved = useRef(parse(location.hash) !== null);

  useEffect(() => {
    const onHash = (): void => {
      const next = parse(location.hash);
      if (next) { moved.current = true; go(next); }
      else if (location.hash === "") go({ view: "grid" });
    };
    addEventListener("hashchange", onHash);
    return () => removeEventListener("hashchange", onHash);
  }, []);

  useLayoutEffect(() => {
    if (!moved.current) return;
    moved.current = false;
    const target = document.getElementById(place.view);
    target?.scrollIntoView();
    target?.focus({ preventScroll: true });
  }, [place]);

  const first = lead && bestCell(lead);
  const at: [number, number] | null = place.view === "grid" ? (lead && first ? [lead.layers_a[first[0]]!, lead.layers_b[first[1]]!] : null) : [place.a, place.b];
  const known = at && overview.cells.some((one) => one.control === "none" && one.layer_a === at[0] && one.layer_b === at[1]);
  const cell: CellKey | null = at && { control: "none", control_side: "", layer_a: at[0], layer_b: at[1] };
  const open = (a: number, b: number): void => { location.hash = address({ view: "cell", a, b }); };

  return (
    <>
      <GridView overview={overview} choice={choice} choose={choose} cell={at} open={open} />
      {cell && !known && <p class="caveat">This run has no layer pair ({cell.layer_a}, {cell.layer_b}).</p>}
      {cell && known && place.view === "pair" && <PairView source={source} overview={overview} cell={cell} i={place.i} j={place.j} />}
      {cell && known && place.view !== "pair" && (
        <>
          <CellView source={source} overview={overview} cell={cell} measure={choice.measure} />
          {overview.holds.matches && <MatchTable source={source} overview={overview} cell={cell} wanted={wanted} want={want} />}
          {overview.holds.maps && <MapView source={source} overview={overview} cell={cell} />}
          {overview.holds.unmatched && <UnmatchedView source={source} overview={overview} cell={cell} />}
        </>
      )}
      {overview.holds.concepts && <ConceptsView source={source} overview={overview} />}
    </>
  );
}
