/** One grid of layer pairs: a table whose cells are reached with the arrow keys and opened with Enter. */
import { useRef, useState } from "preact/hooks";
import { bars, cellColours } from "./colours";
import { there, type Num } from "./numbers";

export interface HeatMapProps {
  title: string;
  nameA: string;
  nameB: string;
  layersA: number[];
  layersB: number[];
  values: Num[][];
  /** place of a value between the pale end (0) and the strong end (1) */
  place: (value: number) => number;
  text: (value: Num) => string;
  ends: [string, string];
  starred: (row: number, column: number) => boolean;
  chosen: [number, number] | null;
  onPoint: (row: number, column: number) => void;
  onOpen: (row: number, column: number) => void;
}

export function HeatMap(p: HeatMapProps) {
  const first = p.chosen ?? [0, 0];
  const [at, move] = useState<[number, number]>(first);
  const table = useRef<HTMLTableElement>(null);
  const [rows, columns] = [p.layersA.length, p.layersB.length];
  const here: [number, number] = [Math.min(at[0], rows - 1), Math.min(at[1], columns - 1)];
  const size = columns <= 8 ? "few" : columns <= 16 ? "some" : "many";

  function go(row: number, column: number): void {
    const next: [number, number] = [Math.min(rows - 1, Math.max(0, row)), Math.min(columns - 1, Math.max(0, column))];
    move(next);
    p.onPoint(...next);
    table.current?.querySelector<HTMLElement>(`[data-at="${next[0]},${next[1]}"]`)?.focus();
  }

  function onKey(event: KeyboardEvent): void {
    const steps: Record<string, [number, number]> = {
      ArrowUp: [here[0] - 1, here[1]], ArrowDown: [here[0] + 1, here[1]],
      ArrowLeft: [here[0], here[1] - 1], ArrowRight: [here[0], here[1] + 1],
      Home: [here[0], 0], End: [here[0], columns - 1],
    };
    const step = steps[event.key];
    if (step) go(...step);
    else if (event.key === "Enter" || event.key === " ") p.onOpen(...here);
    else return;
    event.preventDefault();
  }

  return (
    <div class="heat-box">
      <p class="axis-b"><bdi>{p.nameB}</bdi> layer →</p>
      <table class={`grid ${size}`} role="grid" ref={table} onKeyDown={onKey} style={{ "--rows": rows, "--columns": columns }}
        aria-label={`${p.title}. Rows: layers of ${p.nameA}; columns: layers of ${p.nameB}. Arrow keys move, Enter opens a layer pair.`}>
        <thead><tr><td><span class="vh">layers</span></td>{p.layersB.map((layer) => <th key={layer} scope="col" class={layer % 5 ? "between" : ""}>{layer}</th>)}</tr></thead>
        <tbody>
          {p.layersA.map((layerA, row) => (
            <tr key={layerA}>
              <th scope="row" class={layerA % 5 ? "between" : ""}>{layerA}</th>
              {p.layersB.map((layerB, column) => {
                const value = p.values[row]?.[column] ?? null;
                const chosen = p.chosen?.[0] === row && p.chosen[1] === column;
                const star = p.starred(row, column);
                return (
                  <td key={layerB} role="gridcell" data-at={`${row},${column}`} aria-selected={chosen}
                    tabIndex={here[0] === row && here[1] === column ? 0 : -1}
                    class={`${there(value) ? "" : "none"}${star ? " star" : ""}${chosen ? " chosen" : ""}`}
                    style={there(value) ? cellColours(p.place(value)) : undefined}
                    aria-label={`layers ${layerA} and ${layerB}: ${p.text(value)}${star ? ", significant" : ""}`}
                    onPointerEnter={() => p.onPoint(row, column)} onFocus={() => { move([row, column]); p.onPoint(row, column); }}
                    onClick={() => { move([row, column]); p.onOpen(row, column); }}>
                    <span>{p.text(value)}</span>
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      <p class="colour-bar" style={bars}><span>{p.ends[0]}</span><i /><span>{p.ends[1]}</span></p>
      <p class="axis-a">↓ rows: <bdi>{p.nameA}</bdi> layer</p>
    </div>
  );
}
