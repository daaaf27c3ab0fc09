/** Tokens and texts of models: always as text, marks written out, each isolated from its neighbours' direction. */
import { clipped, marked, visibleToken } from "./visible";
import { share } from "./numbers";
import type { Context } from "./types";

export function TokenList({ tokens, shared = [] }: { tokens: string[]; shared?: string[] }) {
  const counted = new Map<string, number>();
  for (const token of tokens) counted.set(token, (counted.get(token) ?? 0) + 1);
  return (
    <>
      {[...counted].map(([token, times]) => (
        <span key={token}>
          <bdi class={`tok${shared.includes(token) ? " both" : ""}`}>{clipped(visibleToken(token), 32)}</bdi>
          {times > 1 && <span class="times">×{times}</span>}
        </span>
      ))}
      {counted.size === 0 && <span class="soft">none stored</span>}
    </>
  );
}

const strength = (value: number, most: number): number => (most > 0 ? Math.round(70 * Math.min(1, Math.max(0, value / most))) : 0);

/** Activations come with three digits, the largest with six. */
const ofLargest = (value: number, most: number): string => share(Number((value / most).toFixed(3)));

/** A window of text: upper half of a token shaded by side a, lower half by side b. */
export function ContextLine({ context, maxA, maxB }: { context: Context; maxA: number; maxB: number }) {
  const [a, b] = [context.a[context.peak] ?? 0, context.b[context.peak] ?? 0];
  const words = [a > 0 && maxA > 0 && `a ${ofLargest(a, maxA)}`, b > 0 && maxB > 0 && `b ${ofLargest(b, maxB)}`].filter(Boolean).join(", ");
  return (
    <p class="context" dir="auto">
      {context.tokens.map((token, i) => {
        const [a, b] = [context.a[i] ?? 0, context.b[i] ?? 0];
        const fires = a > 0 || b > 0;
        return (
          <bdi key={i} class={`${fires ? "on" : ""}${i === context.peak ? " peak" : ""}`}
            style={fires ? { "--a": `${strength(a, maxA)}%`, "--b": `${strength(b, maxB)}%` } : undefined}
            title={fires ? `a ${a.toPrecision(3)}, b ${b.toPrecision(3)}` : undefined}>{clipped(marked(token), 60)}</bdi>
        );
      })}
      {words && <small class="strength" dir="ltr" title="activation on the underlined token, of the feature's largest"> {words}</small>}
    </p>
  );
}
