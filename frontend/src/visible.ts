/** Text from models and corpora, with what can't be seen or turns the line around written as a symbol. */

const NAMED: Record<string, string> = {
  " ": "␣", "\n": "⏎", "\r": "␍", "\t": "⇥", "\u00a0": "⍽",
};

/** Control, format and direction marks, separators, lone surrogates and private-use characters. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]|[^\S ]/gu;

/** A token: every space and mark is written out. */
export function visibleToken(text: string): string {
  if (text === "") return "∅";
  return marked(text).replaceAll(" ", NAMED[" "]!);
}

/** Running text: spaces stay spaces, marks are written out. */
export function marked(text: string): string {
  return text.replace(UNSEEN, (mark) => NAMED[mark] ?? escaped(mark));
}

/** As the report's own tables write it: \x00, \u200b, \U000e0001. */
function escaped(mark: string): string {
  const code = mark.codePointAt(0)!;
  const [letter, length] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return `\\${letter}${code.toString(16).padStart(length as number, "0")}`;
}

/** The first `limit` characters, and how many more there are. */
export function clipped(text: string, limit = 120): string {
  const letters = [...text];
  return letters.length <= limit ? text : `${letters.slice(0, limit).join("")}… (+${letters.length - limit})`;
}
