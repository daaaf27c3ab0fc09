/** Two features side by side with the text that makes them fire. */
import { useState } from "preact/hooks";
import { Bars, Points } from "./charts";
import { count, score, share, there, type Num } from "./numbers";
import { address } from "./place";
import { cellKey } from "./source";
import { ContextLine, TokenList } from "./Tokens";
import type { CellKey, Context, FeatureEvidence, Overview, PairAnswer, Side, Source } from "./types";
import { useAnswer } from "./use";

const FIRST_CONTEXTS = 6;

export function PairView({ source, overview, cell, i, j }: { source: Source; overview: Overview; cell: CellKey; i: number; j: number }) {
  const { value, error, waiting } = useAnswer(() => source.pair(cell, i, j), `${cellKey(cell)}|${i}|${j}`);
  return (
    <section id="pair" class="app-section" tabIndex={-1} aria-busy={waiting}>
      <p class="crumbs"><a href="#/grid">Grid</a> › <a href={address({ view: "cell", a: cell.layer_a, b: cell.layer_b })}>Layers ({cell.layer_a}, {cell.layer_b})</a> › a{i} · b{j}</p>
      <h2>Are these the same feature? a{i} · b{j}</h2>
      {error && <p class="caveat">{error}</p>}
      {waiting && <p class="soft">Reading…</p>}
      {value === null && <p class="caveat">This file doesn't hold the evidence of this pair; open the run with <code>congruence explore</code> to see every pair.</p>}
      {value && <Evidence pair={value} overview={overview} />}
    </section>
  );
}

function Evidence({ pair, overview }: { pair: PairAnswer; overview: Overview }) {
  const { match, contexts, counts } = pair;
  const most = (side: Side): number => pair[side].max ?? Math.max(0, ...(contexts ? Object.values(contexts).flat() : []).flatMap((one) => one[side]));
  const [maxA, maxB] = [most("a"), most("b")];
  return (
    <>
      <div class="card">
        <dl class="tiles">
          <div><dt>r</dt><dd>{score(match.r)}<small>margin over the next best {score(match.margin)}</small></dd></div>
          <div><dt>Fire together</dt><dd>{count(counts.both)}<small>overlap {score(match.overlap)}</small></dd></div>
          <div><dt>Only a fires</dt><dd>{count(counts.only_a)}<small>{alone(pair.a.firings, pair.shared.a)}</small></dd></div>
          <div><dt>Only b fires</dt><dd>{count(counts.only_b)}<small>{alone(pair.b.firings, pair.shared.b)}</small></dd></div>
          <div><dt>Best for each other</dt><dd>{match.mutual ? "yes" : "no"}<small>{match.kept ? "kept" : `dropped: ${match.removed_by}`}</small></dd></div>
        </dl>
        <CopyLink />
      </div>
      <div class="card">
        {contexts ? (
          <>
            <p class="legend"><span class="context"><bdi class="on sample-a">upper half</bdi></span> activation of a{pair.a.feature} (<bdi>{overview.sides.a.name}</bdi>) <span class="context"><bdi class="on sample-b">lower half</bdi></span> activation of b{pair.b.feature} (<bdi>{overview.sides.b.name}</bdi>)</p>
            <div class="two-columns">
              <Contexts title={`Strongest for a${pair.a.feature}`} found={contexts.top_a} maxA={maxA} maxB={maxB} />
              <Contexts title={`Strongest for b${pair.b.feature}`} found={contexts.top_b} maxA={maxA} maxB={maxB} />
              <Contexts title="Only a fires" found={contexts.only_a} maxA={maxA} maxB={maxB} />
              <Contexts title="Only b fires" found={contexts.only_b} maxA={maxA} maxB={maxB} />
            </div>
          </>
        ) : <p class="soft">{pair.contexts_words}</p>}
      </div>
      {(pair.a.promoted ?? pair.b.promoted) && <div class="card">
        <h3>Tokens that each makes more likely</h3>
        <p class="soft">Those to whose logits the decoder row adds most, if nothing reads it on the way{there(pair.logit_r) && <>; over all shared tokens r {score(pair.logit_r)}</>}.</p>
        {(["a", "b"] as const).map((side) => (
          <p key={side} class="promoted">{side}{pair[side].feature}: <TokenList tokens={pair[side].promoted ?? []} shared={pair[side === "a" ? "b" : "a"].promoted ?? []} /></p>
        ))}
      </div>}
      {(pair.joint || pair.a.histogram || pair.b.histogram) && <div class="card charts">
        {pair.joint && <Points title="Activations on the same tokens" xLabel={`a${pair.a.feature}`} yLabel={`b${pair.b.feature}`} x={pair.joint.a} y={pair.joint.b} names={["tokens on which either fires"]} />}
        {(["a", "b"] as const).map((side) => pair[side].histogram && (
          <Bars key={side} title={`Activations of ${side}${pair[side].feature} where it fires`} xLabel="activation" edges={pair[side].histogram!.edges}
            series={[{ name: "tokens", class: side === "a" ? "one" : "two", counts: pair[side].histogram!.counts }]} />
        ))}
      </div>}
      <div class="card"><div class="two-columns">
        <Feature side="a" evidence={pair.a} name={overview.sides.a.name} /><Feature side="b" evidence={pair.b} name={overview.sides.b.name} />
      </div></div>
    </>
  );
}

/** Of how many firings, and how much of the activation they hold: many weak ones weigh little. */
const alone = (firings: number, shared: Num): string => `of ${count(firings)}${there(shared) ? `: ${share(1 - shared)} of its activation` : ""}`;

function Contexts({ title, found, maxA, maxB }: { title: string; found: Context[]; maxA: number; maxB: number }) {
  const [all, showAll] = useState(false);
  return (
    <div>
      <h3>{title}</h3>
      {found.length === 0 && <p class="soft">No such text.</p>}
      {found.slice(0, all ? found.length : FIRST_CONTEXTS).map((one) => <ContextLine key={`${one.document}-${one.position}`} context={one} maxA={maxA} maxB={maxB} />)}
      {!all && found.length > FIRST_CONTEXTS && <button type="button" onClick={() => showAll(true)}>Show {found.length - FIRST_CONTEXTS} more</button>}
    </div>
  );
}

const NEURONPEDIA = "https://www.neuronpedia.org/";

function Feature({ side, evidence, name }: { side: Side; evidence: FeatureEvidence; name: string }) {
  const other = side === "a" ? "b" : "a";
  return (
    <div>
      <h3>Nearest in the decoder of <bdi>{name}</bdi></h3>
      <p class="soft">{evidence.neighbours_words}</p>
      {evidence.neighbours && (
        <div class="scroll" tabIndex={0} role="region" aria-label={`Neighbours of ${side}${evidence.feature}`}>
          <table class="plain">
            <thead><tr><th scope="col" class="l">feature</th><th scope="col">cosine</th><th scope="col" class="l">top tokens</th><th scope="col" class="l">matched with</th><th scope="col">corresponds</th></tr></thead>
            <tbody>{evidence.neighbours.map((one) => (
              <tr key={one.feature} class={one.corresponds ? "hit" : ""}><td class="l">{side}{one.feature}</td><td>{score(one.cosine)}</td><td class="l"><TokenList tokens={one.top_tokens} /></td>
                <td class="l">{one.partner === null ? "–" : <>{other}{one.partner} <TokenList tokens={one.partner_top_tokens} /></>}</td><td>{one.corresponds ? "yes" : "no"}</td></tr>
            ))}</tbody>
          </table>
        </div>
      )}
      {evidence.neuronpedia?.startsWith(NEURONPEDIA) && <p><a href={evidence.neuronpedia} rel="noreferrer noopener" target="_blank">{side}{evidence.feature} on Neuronpedia</a></p>}
    </div>
  );
}

function CopyLink() {
  const [words, say] = useState("Copy a link to this pair");
  const copy = (): void => {
    const done = navigator.clipboard?.writeText(location.href) ?? Promise.reject(new Error("no clipboard"));
    done.then(() => say("Copied"), () => say("Not allowed here: copy the field"));
  };
  return (
    <p class="copy"><label><span class="vh">Link to this pair</span><input readOnly value={location.href} onFocus={(event) => event.currentTarget.select()} /></label>
      <button type="button" onClick={copy}>{words}</button></p>
  );
}
