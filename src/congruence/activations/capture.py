"""Every hook point of a model in one forward pass a batch, encoded at once and kept in shards."""

import itertools
import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from congruence.activations.parts import PART_SECONDS, STOP, Parts, begun
from congruence.activations.plan import ActivationKind, Job, plan_jobs, rows_per_shard, shard_offsets
from congruence.activations.shards import ShardWriter
from congruence.activations.store import ActivationStore
from congruence.errors import InputError, ModelError
from congruence.models import LanguageModel, Tokens, batch_states
from congruence.storage import atomic_folder

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with (tokens done, tokens in all)."""

SAE_BYTES = 6 << 30
"""SAEs held at a time; where a model's are larger, the text goes through it several times."""
_DENSE_VALUES = 1 << 24
"""Most pre-activations held densely at a time: 64 MiB."""


def capture_features(
    model: LanguageModel,
    tokens: Tokens,
    saes: Mapping[str, Any],
    folder: str | Path,
    *,
    batch_tokens: int = 4096,
    activations: ActivationKind = "encode",
    hook_offset: int = 0,
    progress: Progress | None = None,
) -> dict[str, ActivationStore]:
    """Feature activations of a corpus at several hook points, on disk.

    Shards that are there already, from a killed run or from an earlier one with the same key, are used as
    they are; the log says which. Memory: the activations of one batch.

    Args:
        model: the language model.
        tokens: its corpus.
        saes: the SAE of each hook point, loaded or a `KnownSae`; None for the raw hidden units there (the
            `neurons` control).
        folder: holds one store for each hook point and key.
        batch_tokens: positions in one forward pass; not part of the key.
        activations: "encode", or "pre_activation" for relu(encoder) without the SAE's own rule, as in L's
            Pythia runs.
        hook_offset: read this many blocks later; -1 is the published variant of L.
        progress: called with (tokens done, tokens in all) after each batch.

    Returns:
        A finished store for each hook point, by the names in `saes`.

    Raises:
        ModelError: a hook point isn't there, or its hidden states aren't finite.
        SaeError: an SAE's d_in isn't the hook point's.
        StorageError: `folder` can't be written.
    """
    (stores,) = capture_together(
        model,
        tokens,
        [saes],
        folder,
        batch_tokens=batch_tokens,
        activations=activations,
        hook_offset=hook_offset,
        progress=progress,
    )
    return stores


def capture_together(
    model: LanguageModel,
    tokens: Tokens,
    requests: Sequence[Mapping[str, Any]],
    folder: str | Path,
    *,
    batch_tokens: int = 4096,
    activations: ActivationKind = "encode",
    hook_offset: int = 0,
    progress: Progress | None = None,
) -> list[dict[str, ActivationStore]]:
    """The same for several sets of SAEs on one model, in one forward pass a batch.

    Args:
        model, tokens, folder, batch_tokens, activations, hook_offset, progress: as in `capture_features`.
        requests: sets of SAEs, each as `capture_features` takes it.

    Returns:
        The stores of each set.

    Raises:
        ModelError, SaeError, StorageError: as there.
    """
    if activations not in ("encode", "pre_activation"):
        raise InputError(f"activations {activations!r} isn't known: write 'encode' or 'pre_activation'")
    asked = [
        plan_jobs(model, tokens, saes, Path(folder), activations=activations, hook_offset=hook_offset)
        for saes in requests
    ]
    jobs = list({job.store.path: job for planned in asked for job in planned}.values())
    groups = _groups(jobs)
    for number, group in enumerate(groups):
        before, total = number * tokens.n, len(groups) * tokens.n
        if progress is not None:
            progress(before, total)
        for done in _capture_group(model, tokens, group, batch_tokens=batch_tokens):
            if progress is not None:
                progress(before + done, total)
    return [{job.hook_name: job.store for job in planned} for planned in asked]


def _groups(jobs: list[Job]) -> list[list[Job]]:
    """Jobs that share a pass over the text, so that the SAEs of a pass stay below SAE_BYTES."""
    groups: list[list[Job]] = [[]]
    held = 0
    for job in jobs:
        size = 0 if job.sae is None else job.sae.nbytes
        if groups[-1] and held + size > SAE_BYTES:
            groups.append([])
            held = 0
        groups[-1].append(job)
        held += size
    return groups


def _capture_group(
    model: LanguageModel, tokens: Tokens, jobs: list[Job], *, batch_tokens: int
) -> Iterator[int]:
    """Every shard of the jobs that isn't there; yields the tokens done. SAEs are loaded at the first."""
    offsets, step = shard_offsets(tokens), rows_per_shard(tokens)
    saes: dict[Path, Any] = {}
    for shard, (start, stop) in enumerate(itertools.pairwise(offsets)):
        missing = [job for job in jobs if not job.store.has_shard(shard)]
        _log_plan(shard, len(offsets) - 1, jobs, missing)
        for job in jobs:
            if job not in missing:  # what a process left that was killed when it had joined them
                Parts(job.store, shard, np.empty(0)).remove()
        if not missing:
            yield stop
            continue
        for job in missing:
            if job.sae is not None and job.store.path not in saes:
                saes[job.store.path] = job.sae.load()
        rows = np.arange(shard * step, min((shard + 1) * step, len(tokens.keep)))
        parts = _compute_shard(
            model, tokens, rows, shard=shard, jobs=missing, saes=saes, batch_tokens=batch_tokens
        )
        for done in parts:
            yield start + done


def _log_plan(shard: int, n_shards: int, jobs: list[Job], missing: list[Job]) -> None:
    paths = {job.store.path for job in missing}
    for what, there in (("reused", False), ("computing", True)):
        names = dict.fromkeys(job.hook_name for job in jobs if (job.store.path in paths) == there)
        if names:
            log.info("shard %d/%d: %s %s", shard + 1, n_shards, what, ", ".join(names))


def _compute_shard(
    model: LanguageModel,
    tokens: Tokens,
    rows: np.ndarray,
    *,
    shard: int,
    jobs: list[Job],
    saes: Mapping[Path, Any],
    batch_tokens: int,
) -> Iterator[int]:
    """Write one shard of every job, in parts where that takes long; yields the tokens done."""
    parts = [Parts(job.store, shard, tokens.keep[rows].sum(axis=1)) for job in jobs]
    first = begun(parts)
    if first:
        log.info("shard %d: going on from row %d of %d", shard + 1, first, len(rows))
    step = max(1, batch_tokens // tokens.length)
    while first < len(rows):
        batches = [rows[start : start + step] for start in range(first, len(rows), step)]
        first = yield from _compute_part(model, tokens, batches, parts, first=first, jobs=jobs, saes=saes)
    for part in parts:
        part.join()
        part.store.wrote(shard)


def _compute_part(
    model: LanguageModel,
    tokens: Tokens,
    batches: list[np.ndarray],
    parts: list[Parts],
    *,
    first: int,
    jobs: list[Job],
    saes: Mapping[Path, Any],
) -> Generator[int, None, int]:
    """Write batches until they end or the part is full; yields tokens done, returns the row it ends at."""
    started, stop = time.monotonic(), first
    sources = list(dict.fromkeys(job.source for job in jobs))
    with ExitStack() as stack:
        folders = [stack.enter_context(atomic_folder(part.place(first))) for part in parts]
        writers = [ShardWriter(folder) for folder in folders]
        for batch in batches:
            states = batch_states(model, tokens, batch, sources)
            for job, writer in zip(jobs, writers, strict=True):
                for block in _encoded(job, saes.get(job.store.path), states[job.source]):
                    writer.append(block)
            stop += len(batch)
            yield int(parts[0].kept[:stop].sum())
            if time.monotonic() - started > PART_SECONDS:
                break
        for part, writer, folder in zip(parts, writers, folders, strict=True):
            writer.close(part.store.key, part.shard)
            (folder / STOP).write_text(str(stop), encoding="ascii")
    return stop


def _encoded(job: Job, sae: Any, x: "torch.Tensor") -> "Iterator[sparse.csr_array | np.ndarray]":
    import torch

    if not torch.isfinite(x).all():
        raise ModelError(
            f"hidden states at {job.source} aren't finite in {x.dtype}: load the model in float32 or bfloat16"
        )
    if sae is None:
        yield x.float().cpu().numpy()
        return
    x = x.to(sae.W_enc.device, sae.W_enc.dtype)
    if job.activations == "encode":
        yield sae.encode_csr(x)
        return
    for part in x.split(max(1, _DENSE_VALUES // sae.d_sae)):
        yield sparse.csr_array(torch.relu(sae.pre_activation(part)).float().cpu().numpy())
