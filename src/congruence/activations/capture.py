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
from congruence.models import LanguageModel, Tokens, Twins, batch_states
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
    capture = Capture(
        model,
        tokens,
        requests,
        folder,
        batch_tokens=batch_tokens,
        activations=activations,
        hook_offset=hook_offset,
    )
    return capture.run(progress)


class Capture:
    """A capture that is planned: which shards of which stores are wanted, in which passes over the text.

    Args:
        model, tokens, requests, folder, batch_tokens, activations, hook_offset: as in `capture_together`.

    Raises:
        ModelError, SaeError, StorageError: as there.
    """

    def __init__(
        self,
        model: LanguageModel,
        tokens: Tokens,
        requests: Sequence[Mapping[str, Any]],
        folder: str | Path,
        *,
        batch_tokens: int = 4096,
        activations: ActivationKind = "encode",
        hook_offset: int = 0,
    ) -> None:
        if activations not in ("encode", "pre_activation"):
            raise InputError(f"activations {activations!r} isn't known: write 'encode' or 'pre_activation'")
        self.model, self.tokens, self.batch_tokens = model, tokens, batch_tokens
        self._asked = [
            plan_jobs(model, tokens, saes, Path(folder), activations=activations, hook_offset=hook_offset)
            for saes in requests
        ]
        jobs = list({job.store.path: job for planned in self._asked for job in planned}.values())
        self._groups = _groups(jobs)
        self._offsets = shard_offsets(tokens)
        self._saes: dict[Path, Any] = {}
        self._twins = self._fresh_twins()

    @property
    def stores(self) -> list[dict[str, ActivationStore]]:
        """The stores of each request, by hook point."""
        return [{job.hook_name: job.store for job in planned} for planned in self._asked]

    def missing(self) -> list[tuple[int, int, int]]:
        """(group of SAEs, shard, its tokens) of what isn't on disk yet, in order."""
        self._bring()
        return [
            (group, shard, stop - start)
            for group, jobs in enumerate(self._groups)
            for shard, (start, stop) in enumerate(itertools.pairwise(self._offsets))
            if not all(job.store.has_shard(shard) for job in jobs)
        ]

    def run(self, progress: Progress | None = None) -> list[dict[str, ActivationStore]]:
        """Compute every shard that isn't there, and give the stores of each request."""
        progress = progress or (lambda done, total: None)
        total = len(self._groups) * self.tokens.n
        self._bring()
        for group in range(len(self._groups)):
            before = group * self.tokens.n
            progress(before, total)
            for shard, (start, stop) in enumerate(itertools.pairwise(self._offsets)):
                for done in self.compute(group, shard):
                    progress(before + start + done, total)
                progress(before + stop, total)
        self.let_go()
        return self.stores

    def compute(self, group: int, shard: int) -> Iterator[int]:
        """One shard of a group's stores, where it isn't there; yields the tokens of it that are done.

        SAEs are loaded at the first that is missing, and stay until another group's are.
        """
        jobs = self._groups[group]
        missing = [job for job in jobs if not job.store.has_shard(shard)]
        _log_plan(shard, len(self._offsets) - 1, jobs, missing)
        for job in jobs:
            if job not in missing:  # what a process left that was killed when it had joined them
                Parts(job.store, shard, np.empty(0)).remove()
        if not missing:
            return
        self._load(group, missing)
        step = rows_per_shard(self.tokens)
        rows = np.arange(shard * step, min((shard + 1) * step, len(self.tokens.keep)))
        started = time.monotonic()
        yield from _compute_shard(
            self._twins,
            self.tokens,
            rows,
            shard=shard,
            jobs=missing,
            saes=self._saes,
            batch_tokens=self.batch_tokens,
        )
        log.info(
            "shard %d/%d: %d tokens of %s computed in %.2f s",
            shard + 1,
            len(self._offsets) - 1,
            self._offsets[shard + 1] - self._offsets[shard],
            ", ".join(dict.fromkeys(job.hook_name for job in missing)),
            time.monotonic() - started,
        )

    def let_go(self) -> None:
        """Forget the loaded SAEs and copies of the model; what is used again is made again."""
        self._saes.clear()
        self._twins = self._fresh_twins()

    def _fresh_twins(self) -> Twins:
        large = any(_are_large(jobs) for jobs in self._groups)
        return Twins(self.model, most=1) if large else Twins(self.model)

    def _bring(self) -> None:
        for job in (job for jobs in self._groups for job in jobs):
            job.store.bring()

    def _load(self, group: int, jobs: Sequence[Job]) -> None:
        for path in set(self._saes) - {job.store.path for job in self._groups[group]}:
            del self._saes[path]
        for job in jobs:
            if job.sae is not None and job.store.path not in self._saes:
                self._saes[job.store.path] = job.sae.load()


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


def _log_plan(shard: int, n_shards: int, jobs: list[Job], missing: list[Job]) -> None:
    paths = {job.store.path for job in missing}
    for what, there in (("reused", False), ("computing", True)):
        names = dict.fromkeys(job.hook_name for job in jobs if (job.store.path in paths) == there)
        if names:
            log.info("shard %d/%d: %s %s", shard + 1, n_shards, what, ", ".join(names))


def _compute_shard(
    models: Twins,
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
        first = yield from _compute_part(models, tokens, batches, parts, first=first, jobs=jobs, saes=saes)
    for part in parts:
        part.join()
        part.store.wrote(shard)


def _compute_part(
    models: Twins,
    tokens: Tokens,
    batches: list[np.ndarray],
    parts: list[Parts],
    *,
    first: int,
    jobs: list[Job],
    saes: Mapping[Path, Any],
) -> Generator[int, None, int]:
    """Write batches until they end or the part is full; yields tokens done, returns the row it ends at."""
    stop = first
    sources = list(dict.fromkeys(job.source for job in jobs))

    def encoded(model: LanguageModel, batch: np.ndarray) -> tuple[np.ndarray, list[Any]]:
        states = batch_states(model, tokens, batch, sources)
        blocks = [_encoded(job, saes.get(job.store.path), states[job.source]) for job in jobs]
        return batch, blocks if _are_large(jobs) else [list(of_job) for of_job in blocks]

    with ExitStack() as stack:
        folders = [stack.enter_context(atomic_folder(part.place(first))) for part in parts]
        writers = [ShardWriter(folder) for folder in folders]
        for batch, blocks in models.each(encoded, _begun_within(batches, PART_SECONDS)):
            for writer, of_job in zip(writers, blocks, strict=True):
                for block in of_job:
                    writer.append(block)
            stop += len(batch)
            yield int(parts[0].kept[:stop].sum())
        for part, writer, folder in zip(parts, writers, folders, strict=True):
            writer.close(part.store.key, part.shard)
            (folder / STOP).write_text(str(stop), encoding="ascii")
    return stop


def _are_large(jobs: Sequence[Job]) -> bool:
    """Whether what a batch gives is written block by block, since it may be large beside everything else."""
    return any(job.activations != "encode" for job in jobs)


def _begun_within(batches: list[np.ndarray], seconds: float) -> Iterator[np.ndarray]:
    """The first batch, and those that are asked for within this time."""
    started = time.monotonic()
    for batch in batches:
        yield batch
        if time.monotonic() - started > seconds:
            break


def _encoded(job: Job, sae: Any, x: "torch.Tensor") -> "Iterator[sparse.csr_array | np.ndarray]":
    import torch

    from congruence.saes.finite import all_finite

    if not all_finite(x):
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
