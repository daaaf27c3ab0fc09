"""Parts of recipes: which are run where others' SAEs stand in, how their SAEs are trained, what goes with them."""

import pytest

from congruence.config import parse_config
from congruence.config.steps import check_names, filter_steps
from congruence.errors import ConfigError
from congruence.recipes import RECIPES
from congruence.recipes.extensions import KINDS_OF_TOKENS
from congruence.recipes.running import StandIns, _parts
from congruence.training.config import parse_training_config

TINY = RECIPES.get("lan2024-tinystories")
OWN_SAES = {"narrow", "narrow-unfiltered", "topk", "topk-unfiltered", "topk-narrow", "topk-narrow-unfiltered"}


def test_parts_that_differ_by_their_saes_are_left_out_where_others_stand_in():
    assert _parts(TINY, StandIns(a="model")) == (list(TINY.parts), [])
    for given in ({"saes_a": "saes"}, {"saes_b": "saes"}):
        run, left_out = _parts(TINY, StandIns(**given))
        assert set(left_out) == OWN_SAES
        assert run == [name for name in TINY.parts if name not in OWN_SAES]
    checkpoints = RECIPES.get("checkpoints-pythia")
    assert _parts(checkpoints, StandIns(saes_a="saes", saes_b="saes")) == (list(checkpoints.parts), [])


@pytest.mark.parametrize(
    ("part", "architecture", "expansion"),
    [
        ("", "relu", 16),
        ("filtered", "relu", 16),
        ("narrow", "relu", 8),
        ("topk", "topk", 16),
        ("topk-narrow", "topk", 8),
    ],
)
def test_each_part_says_how_its_saes_are_trained(part, architecture, expansion):
    config = parse_training_config(TINY.train(part))
    assert (config.sae.architecture, config.sae.expansion, config.seeds) == (architecture, expansion, [0, 1])
    assert (config.hook, config.training.steps, config.training.batch) == ("mlp_out", 30_000, 4096)


def test_training_of_what_isn_t_trained_is_refused():
    with pytest.raises(ConfigError, match="no part 'wide'"):
        TINY.train("wide")
    with pytest.raises(ConfigError, match="trains no SAEs"):
        RECIPES.get("lan2024-pythia").train()


def test_parts_of_non_concept_tokens_leave_one_kind_in_each():
    recipe = RECIPES.get("non-concept-tokens-pythia")
    every = {token for tokens in KINDS_OF_TOKENS.values() for token in tokens}
    for kind, spared in KINDS_OF_TOKENS.items():
        step = next(s for s in filter_steps(recipe.build(part=f"but-{kind}")) if s.name == "non_concept")
        assert set(step.options["tokens"]) == every - set(spared)
    names = {
        part: [s.name for s in filter_steps(recipe.build(part=part))]
        for part in ("all", "none", "random-tokens")
    }
    assert names["all"][:3] == ["non_concept", "shared_token", "one_to_one"]
    assert names["none"] == names["all"][1:]
    assert names["random-tokens"] == ["random_tokens", *names["all"][1:]]


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"null": {"kind": "document_shift"}}, "null 'document_shift'"),
        ({"null": {"kind": "subset"}}, "null 'subset'"),
        ({"interval": {"by": "documents"}}, "interval by documents"),
        ({"pairing": {"method": "decoder_cosine", "split": "documents"}}, "pairing.split"),
        ({"pairing": {"method": "decoder_cosine", "null_draws": 5}}, "pairing.null_draws"),
        ({"a": {"model": "org/a", "features": "neurons"}}, "features: neurons"),
    ],
)
def test_what_pairs_on_text_is_refused_with_decoder_rows(sections, told):
    side = {"model": "org/model", "saes": "org/saes"}
    raw = {"a": side, "b": side, "corpus": {"path": "text.txt"}, "pairing": {"method": "decoder_cosine"}}
    check_names(parse_config(raw))
    with pytest.raises(ConfigError, match=told) as caught:
        check_names(parse_config(raw | sections))
    assert "\n" not in str(caught.value)


def test_second_paper_takes_its_own_lists_and_gemma_its_own_draws():
    from congruence.run.selections.text import subspaces_of
    from congruence.wordlists import builtin_concepts

    own = builtin_concepts("son2025")
    for name in ("son2025-semantic", "son2025-overlap", "son2025-multi-token"):
        found = subspaces_of(RECIPES.get(name).build().concepts)
        assert all(subspace.concept == own[subspace.name] for subspace in found if not subspace.parts)
    for name, draws in {"lan2024-gemma": 10, "lan2024-gemma-many-to-one": 10, "lan2024-pythia": 20,
                        "lan2024-pythia-many-to-one": 1}.items():  # fmt: skip
        recipe = RECIPES.get(name)
        config = parse_config(recipe.build(as_published=True).model_dump(by_alias=True, exclude_unset=True))
        assert config.null.draws == draws
