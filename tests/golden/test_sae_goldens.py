"""SAEs as their libraries wrote them, against what those libraries computed (saes/make_goldens.py)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from congruence.saes import Sae, load_sae

HERE = Path(__file__).parent / "saes"
CASES = sorted(folder.parent for folder in HERE.glob("*/*/expected.npz"))
ARCHITECTURES = {
    "saelens/standard": "relu",
    "saelens/before_6_standard": "relu",
    "saelens/before_6_topk": "topk",
    "saelens/gated": "gated",
    "saelens/batchtopk_inference": "jumprelu",
    "saelens/batchtopk_checkpoint": "batchtopk",
    "saelens/matryoshka_checkpoint": "matryoshka",
    "saelens/jumprelu_skip_transcoder": "skip_transcoder",
    "sparsify/topk": "topk",
    "sparsify/groupmax": "groupmax",
    "sparsify/transcoder": "transcoder",
    "sparsify/skip_transcoder": "skip_transcoder",
    "dictionary_learning/autoencoder": "relu",
    "dictionary_learning/gated": "gated",
    "dictionary_learning/batchtopk": "batchtopk",
    "dictionary_learning/matryoshka": "matryoshka",
}
HOOKS = {
    "saelens/topk": "blocks.3.hook_resid_post",
    "saelens/before_6_topk": "blocks.3.hook_resid_post",
    "sparsify/topk": "layers.3",
    "sparsify/groupmax": "layers.3.mlp",
    "sparsify/transcoder": "layers.3.mlp.input",
    "dictionary_learning/topk": "blocks.3.hook_resid_post",
}


def case_name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


@pytest.fixture(params=CASES, ids=case_name)
def case(request: pytest.FixtureRequest) -> tuple[Sae, dict[str, torch.Tensor]]:
    with np.load(request.param / "expected.npz") as arrays:
        return load_sae(request.param), {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def test_there_are_cases_of_all_three_libraries() -> None:
    assert {folder.parent.name for folder in CASES} == {"saelens", "sparsify", "dictionary_learning"}
    assert len(CASES) >= 30


def test_encode_gives_the_librarys_numbers(case: tuple[Sae, dict[str, torch.Tensor]]) -> None:
    sae, expected = case
    assert (expected["acts"] != 0).any()
    torch.testing.assert_close(sae.encode(expected["x"]), expected["acts"], atol=1e-5, rtol=1e-5)


def test_sparse_encoding_is_the_dense_one(case: tuple[Sae, dict[str, torch.Tensor]]) -> None:
    sae, expected = case
    sparse = sae.encode_csr(expected["x"], batch_size=7)
    assert sparse.dtype == np.float32
    assert sparse.has_sorted_indices
    np.testing.assert_allclose(sparse.toarray(), expected["acts"].numpy(), atol=1e-5, rtol=1e-5)


def test_output_is_the_librarys(case: tuple[Sae, dict[str, torch.Tensor]]) -> None:
    sae, expected = case
    torch.testing.assert_close(sae.reconstruct(expected["x"]), expected["out"], atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(("name", "architecture"), ARCHITECTURES.items())
def test_architectures_are_recognised(name: str, architecture: str) -> None:
    assert load_sae(HERE / name).architecture == architecture


@pytest.mark.parametrize(("name", "hook_name"), HOOKS.items())
def test_hook_names_are_read(name: str, hook_name: str) -> None:
    sae = load_sae(HERE / name)
    assert sae.hook_name == hook_name
    assert sae.layer == 3


def test_another_bias_rule_would_be_noticed() -> None:
    """The cases can tell SAEs apart: subtracting b_dec wrongly changes every one that has a b_dec."""
    from dataclasses import replace

    for folder in CASES:
        sae = load_sae(folder)
        if sae.is_transcoder:
            continue
        with np.load(folder / "expected.npz") as arrays:
            wrong = replace(sae, subtract_b_dec=not sae.subtract_b_dec).encode(torch.from_numpy(arrays["x"]))
            assert not np.allclose(wrong.numpy(), arrays["acts"], atol=1e-3), case_name(folder)
