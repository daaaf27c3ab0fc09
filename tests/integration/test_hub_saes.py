"""SAEs from the Hugging Face Hub: offline from a cache in the Hub's own layout, online by single files."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from huggingface_hub import constants

from congruence.errors import SaeError
from congruence.saes import Sae, find_sae, list_saes, load_sae, save_saelens, save_sparsify
from congruence.saes.activation_functions import TopK
from congruence.saes.release_names import find_release

D, F = 4, 8
SHA = "0123456789abcdef0123456789abcdef01234567"


def tiny(hook_name: str | None = None) -> Sae:
    return Sae(
        torch.eye(D, F), torch.eye(F, D), torch.zeros(F), torch.zeros(D), TopK(2), "topk", hook_name=hook_name
    )


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def repository(cache: Path, name: str) -> Path:
    """An empty snapshot of a repository, where the Hub's client would put it."""
    root = cache / f"models--{name.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs/main").write_text(SHA)
    (root / "snapshots" / SHA).mkdir(parents=True)
    return root / "snapshots" / SHA


def test_sparsify_repository_in_the_cache(cache: Path) -> None:
    root = repository(cache, "EleutherAI/sae-pythia-70m-32k")
    for layer in range(3):
        save_sparsify(tiny(), root / f"layers.{layer}")
    (root / "README.md").write_text("SAEs")
    assert [entry.sae_id for entry in list_saes("EleutherAI/sae-pythia-70m-32k")] == [
        "layers.0",
        "layers.1",
        "layers.2",
    ]
    entry = find_sae("EleutherAI/sae-pythia-70m-32k", 2)
    assert entry.path == "EleutherAI/sae-pythia-70m-32k"
    assert entry.load().hook_name == "layers.2"
    assert load_sae("EleutherAI/sae-pythia-70m-32k", sae_id="layers.1").d_sae == F
    assert load_sae("EleutherAI/sae-pythia-70m-32k/layers.1").hook_name == "layers.1"


def test_gemma_scope_repository_by_its_name(cache: Path) -> None:
    root = repository(cache, "google/gemma-scope-2b-pt-mlp")
    weights = {"W_enc": np.ones((D, F)), "W_dec": np.ones((F, D)), "b_enc": np.zeros(F), "b_dec": np.zeros(D)}
    for l0 in (20, 90):
        folder = root / f"layer_6/width_16k/average_l0_{l0}"
        folder.mkdir(parents=True)
        np.savez(folder / "params.npz", threshold=np.ones(F), **weights)
    sae = load_sae("google/gemma-scope-2b-pt-mlp", sae_id="layer_6/width_16k/canonical")
    assert sae.metadata["average_l0"] == 90
    assert sae.hook_name == "blocks.6.hook_mlp_out"
    entry = find_sae("google/gemma-scope-2b-pt-mlp/layer_{layer}/width_16k/canonical", 6)
    assert entry.sae_id == "layer_6/width_16k/average_l0_90"


def test_qwen_scope_repository_by_its_name(cache: Path) -> None:
    name = "Qwen/SAE-Res-Qwen3-1.7B-Base-W32K-L0_3"
    weights = {
        "W_enc": torch.ones(F, D),
        "W_dec": torch.ones(D, F),
        "b_enc": torch.zeros(F),
        "b_dec": torch.zeros(D),
    }
    torch.save(weights, repository(cache, name) / "layer4.sae.pt")
    assert find_sae(name, 4).load().k == 3


def test_a_repository_that_isn_t_cached(cache: Path) -> None:
    with pytest.raises(SaeError, match="no folder 'owner/nothing' here, and no Hub repository") as caught:
        list_saes("owner/nothing")
    assert "\n" not in str(caught.value)


def test_a_layer_that_isn_t_cached(cache: Path) -> None:
    save_sparsify(tiny(), repository(cache, "owner/saes") / "layers.0")
    with pytest.raises(
        SaeError, match=r"owner/saes in the local cache .* no SAE of layer 3: it holds that of layer 0"
    ):
        find_sae("owner/saes", 3)
    save_sparsify(tiny(), repository(cache, "owner/half") / "layers.0")
    (cache / f"models--owner--half/snapshots/{SHA}/layers.1").mkdir()
    (cache / f"models--owner--half/snapshots/{SHA}/layers.1/cfg.json").write_text("{}")
    assert [entry.problem != "" for entry in list_saes("owner/half")] == [False, True]


class TestOnline:
    """The Hub's client is replaced by one that has the files in a folder and notes which are asked for."""

    @pytest.fixture
    def fetched(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        for layer in range(4):
            save_sparsify(tiny(), tmp_path / f"layers.{layer}")
        files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
        fetched: list[str] = []

        def download(repo_id: str, filename: str) -> str:
            fetched.append(filename)
            return str(tmp_path / filename)

        info = SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in files])
        monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda self, repo_id, **options: info)
        monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
        return fetched

    def test_only_the_named_sae_is_downloaded(self, fetched: list[str]) -> None:
        load_sae("owner/saes", sae_id="layers.2")
        assert set(fetched) == {"layers.2/cfg.json", "layers.2/sae.safetensors"}

    def test_finding_a_layer_looks_at_no_other(self, fetched: list[str]) -> None:
        assert find_sae("owner/saes", 2).sae_id == "layers.2"
        assert fetched == ["layers.2/cfg.json"]
        with pytest.raises(SaeError, match=r"no SAE of layer 9: it holds layers\.0, layers\.1"):
            find_sae("owner/saes", 9)

    def test_listing_downloads_no_weights(self, fetched: list[str]) -> None:
        assert len(list_saes("owner/saes")) == 4
        assert not [name for name in fetched if name.endswith(".safetensors")]


class TestReleases:
    @pytest.fixture(autouse=True)
    def registry(self) -> None:
        if find_release("gemma-2b-res-jb") is None:
            pytest.skip("sae-lens isn't installed, so its release names are unknown")

    def test_names_are_listed_without_the_hub(self) -> None:
        assert [entry.layer for entry in list_saes("gemma-2b-res-jb")] == [0, 6, 10, 12, 17]
        entry = find_sae("gemma-scope-2b-pt-res-canonical", 6, sae_id="layer_{layer}/width_16k/canonical")
        assert (entry.layer, entry.hook_name) == (6, "blocks.6.hook_resid_post")
        assert find_sae("llama_scope_lxr_8x", 25).sae_id == "l25r_8x"
        assert find_sae("gemma-scope-2b-pt-res-canonical/layer_{layer}/width_16k/canonical", 6) == entry

    def test_an_id_is_resolved_to_its_folder_and_input_factor(
        self, cache: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        release = find_release("gemma-2b-res-jb")
        assert release is not None
        (sae_id, factor) = next(iter(release.input_factors.items()))
        folder = repository(cache, release.repo_id) / release.folder(sae_id)
        save_saelens(tiny(sae_id), folder)
        config = (folder / "cfg.json").read_text()
        (folder / "cfg.json").write_text(config.replace('"none"', '"expected_average_only_in"', 1))
        sae = load_sae("gemma-2b-res-jb", sae_id=sae_id)
        x = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
        torch.testing.assert_close(sae.encode(x)[0, 2:4], factor * x[0, 2:])
        torch.testing.assert_close(sae.reconstruct(x)[0, 2:], x[0, 2:])
        assert not caplog.records
        load_sae(folder)
        assert "fixed mean norm" in caplog.text

    def test_an_unknown_id_or_release(self) -> None:
        with pytest.raises(SaeError, match="holds 5 SAEs: name one by sae_id"):
            load_sae("gemma-2b-res-jb")
        with pytest.raises(SaeError, match=r"did you mean 'blocks\.6\.hook_resid_post'"):
            load_sae("gemma-2b-res-jb", sae_id="blocks.6.hook_resid_pos")
        with pytest.raises(SaeError, match="did you mean 'gemma-2b-res-jb'"):
            list_saes("gemma-2b-res-jbb")
