"""SAEs as their libraries wrote them, against what those libraries computed (saes/make_goldens.py)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from congruence.errors import SaeError
from congruence.saes import Crosscoder, Sae, load_crosscoder, load_sae

HERE = Path(__file__).parent / "saes"
FOLDERS = sorted(folder.parent for folder in HERE.glob("*/*/expected.npz"))
CASES = [folder for folder in FOLDERS if "crosscoder" not in folder.name]
CROSSCODERS = [folder for folder in FOLDERS if "crosscoder" in folder.name]
IDS = {"clt_relu": "W_enc_1.safetensors", "clt_jump_relu": "W_enc_1.safetensors"}
"""Which of several a case is about."""
ARCHITECTURES = {
    "saelens/standard": "relu",
    "saelens/before_6_standard": "relu",
    "saelens/before_6_topk": "topk",
    "saelens/gated": "gated",
    "saelens/abstopk": "abstopk",
    "saelens/matching_pursuit": "matching_pursuit",
    "saelens/batchtopk_inference": "jumprelu",
    "saelens/batchtopk_checkpoint": "batchtopk",
    "saelens/matryoshka_checkpoint": "matryoshka",
    "saelens/jumprelu_skip_transcoder": "skip_transcoder",
    "sparsify/topk": "topk",
    "sparsify/groupmax": "groupmax",
    "sparsify/transcoder": "transcoder",
    "sparsify/skip_transcoder": "skip_transcoder",
    "circuit_tracer/jump_relu": "transcoder",
    "circuit_tracer/topk": "transcoder",
    "circuit_tracer/skip": "skip_transcoder",
    "dictionary_learning/autoencoder": "relu",
    "dictionary_learning_fork/autoencoder_pushed": "relu",
    "dictionary_learning_fork/gated_pushed": "gated",
    "dictionary_learning_fork/batchtopk_normalised_pushed": "batchtopk",
    "dictionary_learning_fork/jumprelu_pushed": "jumprelu",
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
    "circuit_tracer/relu": "blocks.3.mlp.hook_in",
    "circuit_tracer/skip": "blocks.3.ln2.hook_normalized",
}


def case_name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


@pytest.fixture(params=CASES, ids=case_name)
def case(request: pytest.FixtureRequest) -> tuple[Sae, dict[str, torch.Tensor]]:
    with np.load(request.param / "expected.npz") as arrays:
        sae = load_sae(request.param, sae_id=IDS.get(request.param.name))
        return sae, {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def test_there_are_cases_of_every_library() -> None:
    libraries = {"saelens", "sparsify", "dictionary_learning", "dictionary_learning_fork", "circuit_tracer"}
    assert {folder.parent.name for folder in CASES} == libraries
    assert {folder.parent.name for folder in CROSSCODERS} == {"dictionary_learning_fork", "llamascopium"}
    assert (len(CASES) >= 46, len(CROSSCODERS) >= 15) == (True, True)


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
        sae = load_sae(folder, sae_id=IDS.get(folder.name))
        if sae.is_transcoder:
            continue
        with np.load(folder / "expected.npz") as arrays:
            wrong = replace(sae, subtract_b_dec=not sae.subtract_b_dec).encode(torch.from_numpy(arrays["x"]))
            assert not np.allclose(wrong.numpy(), arrays["acts"], atol=1e-3), case_name(folder)


@pytest.fixture(params=CROSSCODERS, ids=case_name)
def crosscoder(request: pytest.FixtureRequest) -> tuple[Crosscoder, dict[str, torch.Tensor]]:
    with np.load(request.param / "expected.npz") as arrays:
        return load_crosscoder(request.param), {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def test_crosscoders_encode_as_their_library(crosscoder: tuple[Crosscoder, dict[str, torch.Tensor]]) -> None:
    coder, expected = crosscoder
    acts = expected["acts"]
    share = (acts != 0).float().mean()
    assert 0 < share < 1
    if acts.ndim == 3 and len(coder.rules) == 1:  # the library repeats what is the same at every place
        torch.testing.assert_close(acts, acts[:, :1].expand_as(acts), atol=1e-5, rtol=1e-5)
        acts = acts[:, 0]
    torch.testing.assert_close(coder.encode(expected["x"]), acts, atol=1e-5, rtol=1e-5)
    for place in range(coder.n_places):
        sparse = coder.encode_csr(expected["x"], place=place).toarray()
        dense = acts[:, place] if acts.ndim == 3 else acts
        np.testing.assert_allclose(sparse, dense.numpy(), atol=1e-5, rtol=1e-5)


def test_crosscoders_give_their_librarys_output(
    crosscoder: tuple[Crosscoder, dict[str, torch.Tensor]],
) -> None:
    coder, expected = crosscoder
    torch.testing.assert_close(coder.reconstruct(expected["x"]), expected["out"], atol=5e-5, rtol=1e-5)


@pytest.mark.parametrize("folder", CROSSCODERS, ids=case_name)
def test_a_crosscoder_is_no_sae_and_says_so(folder: Path) -> None:
    with pytest.raises(SaeError) as caught:
        load_sae(folder)
    places, what = (3, "layers") if folder.parent.name == "llamascopium" else (2, "models")
    places = 3 if "of_3" in folder.name and "pushed" in folder.name else places
    message = str(caught.value)
    assert f"this is a crosscoder of {places} {what}" in message or "of_3" in folder.name
    assert f"pairing: {{method: crosscoder, path: {folder}}}" in message
    assert "broken" not in message


def test_decoupled_codes_differ_between_places() -> None:
    folder = HERE / "dictionary_learning_fork/batchtopk_crosscoder_decoupled"
    with np.load(folder / "expected.npz") as arrays:
        acts = load_crosscoder(folder).encode(torch.from_numpy(arrays["x"]))
    assert acts.ndim == 3
    assert (acts[:, 0] != acts[:, 1]).any()
