"""Do pairs do the same, or do they only fire alike? Logit weights and pairs taken out, where it is known."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.function.logit_weights import LogitSpace, logit_agreement
from congruence.function.quality import above_null
from congruence.function.sampling import hard_negatives
from congruence.matching import match
from congruence.records import Matching
from congruence.stats import prepare, top_tokens
from congruence.synthetic.dictionaries import true_sae
from congruence.synthetic.head import language_model
from congruence.synthetic.study.size import Size
from congruence.synthetic.study.task import Rows, Task, row, world_seed
from congruence.synthetic.world import SyntheticModel, World
from congruence.transfer import StateMoments, fit_map
from congruence.transfer.split import Split

if TYPE_CHECKING:
    from congruence.function.positions import Ablator
    from congruence.function.substitution import Bench
    from congruence.models import LanguageModel

CHAPTER = "function"
FEATURES, TOKENS, DOCUMENT_TOKENS, CONTEXTS = 64, 8000, 40, 4
WIDTHS = (2 * FEATURES, FEATURES // 2)
METHOD, LEAST_R = "one_to_one", 0.1
KINDS: dict[str, dict[str, float]] = {
    "rotated copy, nothing missed": {"shared": 1.0, "missed": 0.0, "jitter": 0.0},
    "rotated copy": {"shared": 1.0},
    "copy with one feature swapped": {"shared": 1 - 1 / FEATURES},
    "30 % replaced": {"shared": 0.7},
    "independent": {"shared": 0.0},
    "a quarter does something else": {"shared": 1.0, "other_effects": 0.25},
    "half do something else": {"shared": 1.0, "other_effects": 0.5},
    "three quarters do something else": {"shared": 1.0, "other_effects": 0.75},
    "all do something else": {"shared": 1.0, "other_effects": 1.0},
}
"""Pairs of models that have to be told apart, by what they share and what that does."""
CROWDED = ("rotated copy", "30 % replaced", "half do something else", "all do something else")
"""Those of which there are as well models with more features than dimensions."""
HALF = "half do something else"
FIRING, LOGITS, ABLATION, SUBSTITUTION = "firing (r)", "logit weights", "ablation", "substitution"
SAME, ALIKE, STRANGERS = "do the same", "only fire alike", "no partners"
NEGATIVES = "hard negatives"
THRESHOLDS = tuple(round(0.1 * step, 1) for step in range(-2, 10))


def tasks(size: Size) -> list[Task]:
    """Every kind of two models with half as many features as dimensions; some with twice as many."""
    found = []
    for width in WIDTHS:
        for name, planted in KINDS.items() if width > FEATURES else [(one, KINDS[one]) for one in CROWDED]:
            for number in range(size.worlds):
                options: dict[str, Any] = planted | {
                    "features": FEATURES,
                    "width": width,
                    "tokens": min(TOKENS, size.tokens),
                    "document_tokens": DOCUMENT_TOKENS,
                    "seed": world_seed(size.seed, CHAPTER, number),
                }
                kind = f"{name}: {FEATURES / width:g} features per dimension"
                found.append(Task(CHAPTER, kind, options, {"contexts": CONTEXTS}, function_on))
    return found


def planted_share(kind: str) -> float:
    """Share of the features that have a partner which does the same."""
    planted = KINDS[kind]
    return planted["shared"] * (1 - planted.get("other_effects", 0.0))


@dataclass(frozen=True, eq=False)
class Answer:
    """What one question says of some pairs.

    Attributes:
        scores: (p,) of the pairs; NaN where it says nothing.
        negatives: of pairs that are none, hard to tell from them.
        said: (p,) whether the pair is said to do the same.
    """

    scores: np.ndarray
    negatives: np.ndarray
    said: np.ndarray


def function_on(world: World) -> Rows:
    """Of the pairs that are found: what each question says of those that do the same, and of the others."""
    a, b = (prepare(model.acts(), document_offsets=world.document_offsets) for model in world.models)
    pairs = match(a, b, method=METHOD)
    pairs = pairs.select(pairs.r > 0)
    same = world.effects.do_the_same(pairs.feature_a, pairs.feature_b)
    partners = world.truth.are_partners(pairs.feature_a, pairs.feature_b)
    kinds = {SAME: same, ALIKE: partners & ~same, STRANGERS: ~partners}
    found: Rows = []
    for question, answer in answers(world, pairs).items():
        groups = {kind: answer.scores[mine] for kind, mine in kinds.items()} | {NEGATIVES: answer.negatives}
        groups = {kind: scores[np.isfinite(scores)] for kind, scores in groups.items()}
        for kind, scores in groups.items():
            if len(scores):
                found.append(row(question, kind, "score", scores.mean()))
            if kind != SAME and len(scores) and len(groups[SAME]):
                found.append(row(question, kind, "AUC", auc(groups[SAME], scores)))
        found.append(row(question, "", "said of", answer.said.sum() / world.models[1].shape[1]))
        found += _judged(question, "", answer.said, same)
        for bound in THRESHOLDS:
            found += _judged(question, f"> {bound:g}", answer.scores > bound, same)
    return found


def answers(world: World, pairs: Matching) -> dict[str, Answer]:
    """Each question's.

    By r all pairs above 0.1 are said to do the same; by the others, as in a run, those above the 95 % point
    of re-paired features or of hard negatives.
    """
    heads = [language_model(model) for model in world.models]
    a, b = pairs.feature_a, pairs.feature_b
    bench = bench_of(world, heads)
    fires = bench.fires()
    alive = np.flatnonzero((fires[0][a] > 0) & (fires[1][b] > 0))
    tops = [top_tokens(model.acts(), world.token_ids).token_ids for model in world.models]
    others, _ = hard_negatives(
        a[alive],
        b[alive],
        partners={int(x): {int(y)} for x, y in zip(a, b, strict=True)},
        firings_b=fires[1],
        top_a=tops[0],
        top_b=tops[1],
        seed=world.options.seed,
    )
    beside, others = a[alive][others >= 0], others[others >= 0]
    space, rows = _space(world, heads), [model.W_dec for model in world.models]
    logits = logit_agreement(rows[0][a], rows[1][b], space, seed=world.options.seed)
    unlike = logit_agreement(rows[0][beside], rows[1][others], space).r
    effects = bench.effects(np.concatenate([a[alive], beside]), np.concatenate([b[alive], others]))
    found = {
        FIRING: Answer(pairs.r, np.empty(0), pairs.r > LEAST_R),
        LOGITS: Answer(logits.r, unlike, logits.r > logits.null_q95),
    }
    for name, values in {
        ABLATION: np.array([effect.ablation_r for effect in effects]),
        SUBSTITUTION: np.array([effect.substitution for effect in effects]),
    }.items():
        scores, negatives = np.full(len(pairs), np.nan), values[len(alive) :]
        scores[alive] = values[: len(alive)]
        found[name] = Answer(scores, negatives, above_null(scores, negatives)[0])
    return found


def bench_of(world: World, heads: "list[LanguageModel]") -> "Bench":
    """Both models with their true dictionaries, and the rotation that half of the documents fit."""
    from congruence.function.substitution import Bench

    offsets, split = world.document_offsets, Split.of(world.document_offsets, world.options.seed)
    states = [model.states() for model in world.models]
    fitted = fit_map(StateMoments.of(states[0][split.fit], states[1][split.fit]))
    document = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    a, b = (
        _ablator(model, head, of_model)
        for model, head, of_model in zip(world.models, heads, states, strict=True)
    )
    words = np.arange(world.options.vocabulary)
    return Bench(a, b, fitted, document, split.held, words, words, CONTEXTS)


def auc(right: np.ndarray, wrong: np.ndarray) -> float:
    """How often one of the first scores above one of the second; half of a tie."""
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(right, wrong).statistic / (len(right) * len(wrong)))


def _ablator(model: SyntheticModel, head: "LanguageModel", states: np.ndarray) -> "Ablator":
    from congruence.function.positions import Ablator
    from congruence.models import Tokens

    offsets = model.document_offsets
    lengths = np.diff(offsets)
    at = np.arange(lengths.max())
    there = at < lengths[:, None]
    ids = np.where(there, offsets[:-1, None] + at, 0).astype(np.int32)
    document = np.repeat(np.arange(len(lengths), dtype=np.int32)[:, None], len(at), axis=1)
    tokens = Tokens(ids, there, there, document)
    return Ablator(head, tokens, "blocks.0", true_sae(model), states, np.arange(len(states)))


def _space(world: World, heads: "list[LanguageModel]") -> LogitSpace:
    from congruence.function.unembedding import unembedding

    words = np.arange(world.options.vocabulary)
    return LogitSpace.of(*(unembedding(head, words) for head in heads))


def _judged(question: str, setting: str, said: np.ndarray, same: np.ndarray) -> Rows:
    found: Rows = []
    if said.any():
        found.append(row(question, setting, "precision", (said & same).sum() / said.sum()))
    if same.any():
        found.append(row(question, setting, "recall", (said & same).sum() / same.sum()))
    return found
