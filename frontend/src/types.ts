/**
 * What the pages are told: the answers of congruence.view, the same from a local explorer (HTTP) and from a
 * report (one JSON blob). Numbers that aren't defined are null. Layers and features are counted from 0.
 * Texts (tokens, names, warnings) come from models and files: shown, never interpreted.
 */

export type Num = number | null;
export type Side = "a" | "b";

/** Where a cell stands. control "none" is the comparison itself; control_side "" except for other_seed. */
export interface CellKey {
  control: string;
  control_side: string;
  layer_a: number;
  layer_b: number;
}

export interface SideInfo {
  name: string;
  model: string;
  layers: number[];
  /** blocks of the whole model, where known; for relative depth */
  depth: Num;
  d_model: Num;
  /** features by layer (key: the layer as text) */
  d_sae: Record<string, number>;
  notes: string[];
}

export interface MeasureInfo {
  /** its label in the results, options included; key everywhere */
  label: string;
  title: string;
  /** what it asks of the two spaces */
  reading: string;
  /** when not to believe it */
  beware: string;
  /** least and most it can give */
  low: Num;
  high: Num;
}

export interface NullInfo {
  name: string;
  title: string;
  hypothesis: string;
}

/** The value that a grid can show. */
export type GridValue =
  | "value" | "n" | "null_mean" | "calibrated" | "z" | "p" | "q" | "p_max_t" | "ceiling" | "low" | "high"
  | "share_of_ceiling";

/** One grid of layer pairs. values[x][row][column]: layers_a down, layers_b across. */
export interface Grid {
  measure: string;
  concept: string;
  subspace: string;
  control: string;
  null: string;
  /** the null that the summary quotes */
  first_null: boolean;
  layers_a: number[];
  layers_b: number[];
  values: Record<GridValue, Num[][]>;
  /** the most of the draws that any cell has */
  draws: number;
  /** "greater", "less" or "two-sided" */
  alternative: string;
  /** what stars mean, or why there are none */
  star_words: string;
  /** warnings of cells, in words; few cells have any */
  warnings: { layer_a: number; layer_b: number; texts: string[] }[];
  /** answer in a line and its paragraph (empty for grids of concepts) */
  claim: string;
  sentences: string[];
}

export interface Ceiling {
  measure: string;
  side: string;
  layer: number;
  value: number;
}

export interface Overview {
  format: 1;
  found: boolean;
  claim: string;
  sentences: string[];
  /** why it can't be told, or "" */
  unanswered: string;
  ceiling_words: string;
  /** index into grids of the one that leads */
  headline: number;
  sides: Record<Side, SideInfo>;
  corpus: { name: string; documents: Num; tokens: Num; kept_tokens: Num; equal_tokenizers: boolean | null };
  finished: string;
  versions: Record<string, string>;
  measures: MeasureInfo[];
  nulls: NullInfo[];
  grids: Grid[];
  ceilings: Ceiling[];
  /** every cell there is, with its counts; layer pair of the best score first isn't implied */
  cells: (CellKey & { pairs_before: number; pairs_after: number; mean_r_before: Num; mean_r_after: Num })[];
  /** (concept, subspace) of every subspace there is */
  concepts: { concept: string; subspace: string }[];
  pairs_before: number;
  pairs_after: number;
  /** what this source can give */
  holds: { matches: boolean; contexts: boolean; maps: boolean; concepts: boolean; unmatched: boolean };
  /** "embedded": only the most interesting pairs of each cell; "server": all of them */
  source: "embedded" | "server";
}

/** counts[i] lies between edges[i] and edges[i + 1]. */
export interface Histogram {
  edges: number[];
  counts: number[];
}

export interface CellAnswer extends CellKey {
  alive_a: Num;
  alive_b: Num;
  unmatched_a: Num;
  unmatched_b: Num;
  pairs_before: number;
  pairs_after: number;
  mean_r_before: Num;
  mean_r_after: Num;
  /** null, like firing and the histograms of scores, of cells that a report holds without their pairs */
  /** of r, with the same edges; null_r is the 95 % points of r on unrelated text, where stored */
  r: { edges: number[]; before: number[]; after: number[]; null_r: number[] | null } | null;
  /** scores of this cell: each measure and null */
  scores: {
    measure: string;
    null: string;
    concept: string;
    subspace: string;
    n: number;
    value: Num;
    null_mean: Num;
    p: Num;
    q: Num;
    ceiling: Num;
    low: Num;
    high: Num;
    /** distribution of null scores, where stored */
    histogram: Histogram | null;
    /** the score as a sentence */
    sentence: string;
    warnings: string[];
  }[];
  /** pairs left after each step: the matcher's first, then each filter in order */
  waterfall: { step: string; removed: number; left: number }[];
  /** at most 2,000 pairs, drawn once; columns, all of one length */
  firing: { firings_a: number[]; firings_b: number[]; r: Num[]; kept: boolean[] } | null;
  tokens: Num;
  warnings: string[];
}

export type MatchSort =
  | "interest" | "r" | "margin" | "cofirings" | "firings_a" | "firings_b" | "mutual" | "feature_a"
  | "feature_b" | "overlap" | "null_r" | "p_r";

export interface MatchRow {
  feature_a: number;
  feature_b: number;
  r: Num;
  margin: Num;
  mutual: boolean;
  firings_a: number;
  firings_b: number;
  cofirings: number;
  /** tokens on which both fire over tokens on which either fires */
  overlap: Num;
  null_r: Num;
  p_r: Num;
  kept: boolean;
  /** the filter that took it, or "" */
  removed_by: string;
  top_tokens_a: string[];
  top_tokens_b: string[];
  /** surprise: see interest_words */
  interest: Num;
  /** whether this source can show the pair */
  has_pair: boolean;
}

export interface MatchQuery {
  /** text in a token of either side, or a feature number ("512", "a512", "b512") */
  search?: string;
  sort?: MatchSort;
  descending?: boolean;
  offset?: number;
  limit?: number;
  /** "kept", "removed" or "all" */
  kept?: "kept" | "removed" | "all";
}

export interface MatchesAnswer {
  /** rows that the query finds, of which `rows` is a part */
  total: number;
  /** rows of the cell that this source has, and that there are in the run */
  available: number;
  all: number;
  rows: MatchRow[];
  interest_words: string;
}

/** A window of text. values are activations, 0 where the feature is silent; peak: index of the token it is for. */
export interface Context {
  document: number;
  /** row of the peak among the run's tokens */
  position: number;
  tokens: string[];
  a: number[];
  b: number[];
  peak: number;
}

export interface Neighbour {
  feature: number;
  /** cosine of the decoder rows */
  cosine: number;
  top_tokens: string[];
  /** the feature of the other side that it is matched with in this cell (first kept), or null */
  partner: Num;
  partner_top_tokens: string[];
  /** whether that partner is a neighbour of the pair's other feature */
  corresponds: boolean;
}

export interface FeatureEvidence {
  feature: number;
  firings: number;
  /** of all tokens */
  rate: Num;
  max: Num;
  top_tokens: string[];
  /** tokens of both vocabularies that its decoder row makes more likely, the most promoted first; null where
   * the run didn't ask for logit weights */
  promoted: string[] | null;
  /** of its activations where it fires */
  histogram: Histogram | null;
  neighbours: Neighbour[] | null;
  /** of how the neighbours correspond, or why there are none */
  neighbours_words: string;
  /** page of a known SAE's feature on Neuronpedia (https://www.neuronpedia.org/…), or null */
  neuronpedia: string | null;
}

export interface PairAnswer {
  cell: CellKey;
  match: MatchRow;
  /** correlation of both features' logit weights; null where the run didn't ask for them */
  logit_r: Num;
  a: FeatureEvidence;
  b: FeatureEvidence;
  contexts: {
    /** strongest for a, and strongest for b */
    top_a: Context[];
    top_b: Context[];
    /** where only one of them fires, strongest first */
    only_a: Context[];
    only_b: Context[];
  } | null;
  /** why there are no contexts; "" where there are */
  contexts_words: string;
  /** counts of tokens on which both, or only one fires */
  counts: { both: number; only_a: number; only_b: number };
  /** share of each feature's activation that lies on tokens where both fire */
  shared: { a: Num; b: Num };
  /** at most 600 tokens on which either fires, drawn once: activations of both */
  joint: { a: number[]; b: number[] } | null;
}

export interface MapAnswer {
  cell: CellKey;
  /** "pca", "umap", …; null where no coordinates are stored */
  method: string | null;
  /** why there is no map; "" where there is */
  words: string;
  /** living features (matched or not) of each side; columns, all of one length */
  a: MapSide;
  b: MapSide;
  /** matched features: indices into a.features and b.features */
  pairs: { a: number[]; b: number[]; r: Num[]; kept: boolean[] };
}

export interface MapSide {
  features: number[];
  x: number[];
  y: number[];
  firings: number[];
  /** first top token, "" where none is stored */
  token: string[];
}

export interface ConceptsAnswer {
  concepts: {
    concept: string;
    subspace: string;
    /** "concept", "union" or "phrases" */
    kind: string;
    /** of the best layer pair */
    n: number;
    grids: number[];
    /** keywords that carry its members, most pairs first; best layer pair of the headline measure */
    keywords: {
      keyword: string;
      layer_a: number;
      layer_b: number;
      features_a: number;
      features_b: number;
      pairs: number;
      corpus_count: Num;
      ratio: Num;
      p: Num;
      change: { measure: string; value: Num }[];
    }[];
  }[];
  /** concept × layer: the best score of each layer of a (and of b) by measure; null where none */
  by_layer: {
    measure: string;
    concept: string;
    subspace: string;
    side: Side;
    layers: number[];
    values: Num[];
    partners: Num[];
  }[];
}

export interface UnmatchedRow {
  feature: number;
  firings: number;
  rate: Num;
  max: Num;
  top_tokens: string[];
  /** removed by which filter, where the matcher gave it a partner; "" where it has none at all */
  removed_by: string;
  /** best r among the removed pairs */
  r: Num;
  contexts: { tokens: string[]; values: number[]; peak: number }[] | null;
}

export interface UnmatchedAnswer {
  cell: CellKey;
  side: Side;
  /** living features of this side without a kept pair; rows is a part of them */
  total: Num;
  rows: UnmatchedRow[];
  /** what can't be told, or "" */
  words: string;
}

/**
 * Both sources. Over HTTP: GET /api/overview, /api/cell, /api/matches, /api/pair, /api/map, /api/concepts,
 * /api/unmatched with the fields of the cell (control, control_side, layer_a, layer_b) and of the query as
 * parameters, and header "X-Congruence-Token" with the token in the page's address (/?token=…).
 * A refusal is {"error": one line} with status 4xx.
 */
export interface Source {
  overview(): Promise<Overview>;
  cell(cell: CellKey): Promise<CellAnswer>;
  /** null where this source hasn't got them (embedded: layer pairs that aren't among the best) */
  matches(cell: CellKey, query: MatchQuery): Promise<MatchesAnswer | null>;
  /** null where this source hasn't got it (embedded: a pair that isn't among the most interesting) */
  pair(cell: CellKey, feature_a: number, feature_b: number): Promise<PairAnswer | null>;
  map(cell: CellKey): Promise<MapAnswer | null>;
  concepts(): Promise<ConceptsAnswer>;
  unmatched(cell: CellKey, side: Side): Promise<UnmatchedAnswer | null>;
}

/**
 * The blob of a report: `<script type="application/json" id="congruence-data">`. Keys of cells are
 * "control|control_side|layer_a|layer_b"; of pairs the cell's key, "|feature_a|feature_b"; of unmatched the
 * cell's key, "|side". Of some cells matches, pairs or maps may be left out where the budget ends.
 */
export interface Embedded {
  overview: Overview;
  cells: Record<string, CellAnswer>;
  /** available and all tell what was left out; rows by interest, most first; the page searches and sorts */
  matches: Record<string, MatchesAnswer>;
  pairs: Record<string, PairAnswer>;
  maps: Record<string, MapAnswer>;
  concepts: ConceptsAnswer;
  unmatched: Record<string, UnmatchedAnswer>;
}
