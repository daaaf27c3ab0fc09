"""A configuration is validated into one line that names the key, its value and the nearest known one."""

from pathlib import Path

import pytest

from congruence.config.parsing import load_config, local_or_hub, parse_config
from congruence.config.steps import filter_steps, parse_step
from congruence.errors import ConfigError

GOOD = {
    "a": {"model": "org/small", "saes": "org/saes-small"},
    "b": {"model": "org/large", "saes": "org/saes-large", "layers": [1, 2]},
    "corpus": {"dataset": "org/text", "documents": 100, "max_tokens": 300},
}

BAD = [
    ({"mesures": ["rsa"]}, "unknown key 'mesures': did you mean 'measures'"),
    ({"a": {"modle": "x", "saes": "z"}}, "unknown key 'modle': did you mean 'model'.* in a"),
    ({"b": {"model": "x"}}, "saes is missing"),
    ({"b": {"model": "x", "saes": "z", "layers": [1, 1]}}, "each layer once"),
    ({"b": {"model": "x", "saes": "z", "layers": []}}, "each layer once"),
    ({"corpus": {}}, "path .* or dataset"),
    ({"corpus": {"path": "x", "documents": 0}}, "corpus.documents = 0"),
    ({"pairing": {"from": "c"}}, "pairing.from = 'c'"),
    ({"null": {"draws": 0}}, "null.draws = 0"),
    ({"seed": -1}, "seed = -1"),
    ({"a": None}, "a is empty: write {model"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_key_or_value_is_one_line(change, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_config({**GOOD, **change})
    assert "\n" not in str(caught.value)


def test_an_unknown_control_names_the_nearest():
    from congruence.sides.variants import check_controls

    with pytest.raises(ConfigError, match="did you mean 'rerandomized'"):
        check_controls(parse_config({**GOOD, "controls": ["rerandomised"]}))


@pytest.mark.parametrize(
    ("section", "key", "nearest"),
    [("pairing", "metod", "method"), ("pairing", "min_cofiring", "min_cofirings"), ("null", "drws", "draws")],
)
def test_a_misspelt_key_of_an_open_section_is_named(section, key, nearest):
    from congruence.config.steps import check_names

    with pytest.raises(ConfigError, match=f"unknown key '{key}': did you mean '{nearest}'.* in {section}"):
        check_names(parse_config({**GOOD, section: {key: 3}}))


def test_missing_section_is_named():
    with pytest.raises(ConfigError, match="corpus is missing"):
        parse_config({"a": GOOD["a"], "b": GOOD["b"]})


@pytest.mark.parametrize("raw", [None, [], "text", 3])
def test_not_a_mapping(raw):
    with pytest.raises(
        ConfigError, match=r"config (is empty|holds .*, not keys with their values): write at"
    ):
        parse_config(raw)


def test_one_layer_may_be_a_number():
    assert parse_config({**GOOD, "a": {**GOOD["a"], "layers": 3}}).a.layers == [3]


def test_missing_file_and_broken_yaml(tmp_path):
    with pytest.raises(ConfigError, match="doesn't exist"):
        load_config(tmp_path / "absent.yaml")
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="isn't valid YAML"):
        load_config(tmp_path / "broken.yaml")


def test_the_key_null_needs_no_quotes(tmp_path):
    (tmp_path / "run.yaml").write_text(
        "a: {model: x, saes: y}\nb: {model: x, saes: y}\ncorpus: {path: z}\nnull: {draws: 7}\n"
    )
    assert load_config(tmp_path / "run.yaml").null.draws == 7


def test_paths_are_relative_to_the_config(tmp_path):
    (tmp_path / "saes").mkdir()
    assert local_or_hub("saes", tmp_path) == str(tmp_path / "saes")
    assert local_or_hub("org/name", tmp_path) == "org/name"
    assert local_or_hub(None, Path()) is None


def test_steps_in_every_spelling():
    assert parse_step("mutual", kind="filter") == ("mutual", {})
    assert parse_step({"min_r": 0.2}, kind="filter") == ("min_r", {"value": 0.2})
    assert parse_step({"one_to_one": {"keep": "first"}}, kind="filter") == ("one_to_one", {"keep": "first"})
    with pytest.raises(ConfigError, match="2 names"):
        parse_step({"a": 1, "b": 2}, kind="filter")


def test_one_to_one_stands_between_token_filters_and_thresholds():
    config = parse_config({**GOOD, "pairing": {"method": "one_to_one", "keep": "first"}})
    names = [step.name for step in filter_steps(config)]
    assert names == ["non_concept", "shared_token", "one_to_one", "min_r", "min_cofirings"]


def test_one_to_one_stands_where_the_list_puts_it():
    config = parse_config({**GOOD, "pairing": {"keep": "best"}, "filters": ["one_to_one", "non_concept"]})
    assert [step.name for step in filter_steps(config)] == ["one_to_one", "non_concept"]


def test_unknown_filter_option_is_named():
    config = parse_config({**GOOD, "filters": [{"min_r": {"threshold": 1}}]})
    with pytest.raises(ConfigError, match="unknown option 'threshold'"):
        filter_steps(config)


@pytest.mark.parametrize(
    ("written", "layers"),
    [
        ("1-3", [1, 2, 3]),
        ("1,2", [1, 2]),
        ("0, 2-3", [0, 2, 3]),
        ("7", [7]),
        ("all", "all"),
        ([2, 1], [2, 1]),
    ],
)
def test_layers_as_text(written, layers):
    assert parse_config({**GOOD, "a": {**GOOD["a"], "layers": written}}).a.layers == layers


def test_home_and_variables_are_written_out_in_paths(tmp_path, monkeypatch):
    for name in ("models", "saes"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATA", str(tmp_path))
    config = parse_config(
        {**GOOD, "a": {"model": "~/models", "saes": {2: "${DATA}/saes"}, "other_seed": "$DATA/x"}}
    )
    assert config.a.model == str(tmp_path / "models")
    assert config.a.saes == {2: str(tmp_path / "saes")}
    assert config.a.other_seed == str(tmp_path / "x")
    monkeypatch.delenv("DATA")
    with pytest.raises(ConfigError, match=r"b\.model = '\$DATA/x': the variable DATA isn't set"):
        parse_config({**GOOD, "b": {"model": "$DATA/x", "saes": "y"}})


def test_a_missing_text_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(ConfigError, match=r"absent\.txt") as caught:
        parse_config({**GOOD, "corpus": {"path": "absent.txt"}}, base=tmp_path / "runs", there=True)
    assert str(tmp_path / "runs") in str(caught.value)
    assert f"or {tmp_path}" in str(caught.value)
