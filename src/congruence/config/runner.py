"""Who does a run's work: this process, several on this machine, or a Ray cluster."""

from typing import Any, Literal

from pydantic import Field, model_validator

from congruence.config.section import Section

KINDS = ("serial", "processes", "ray")


class RunnerConfig(Section):
    """Who does the work. A word alone is its `kind`; no result depends on it."""

    kind: Literal["serial", "processes", "ray"] = "serial"
    """serial: this process; processes: several on this machine; ray: a Ray cluster (extra `ray`)."""
    workers: int | None = Field(default=None, ge=1, le=10_000)
    """How many work at a time; by default one for each core (processes), or as many as the cluster has room
    for (ray)."""
    address: str | None = None
    """ray: the cluster: auto for the one that this machine belongs to, or ray://HOST:10001; by default one is
    started on this machine."""
    cpus: float = Field(default=1, gt=0, le=4096)
    """ray: cores of a worker."""
    gpus_per_capture: float = Field(default=0, ge=0, le=64)
    """ray: GPUs of a worker that captures; several for a model that one can't hold (`device_map`)."""
    attempts: int = Field(default=3, ge=1, le=100)
    """A task whose worker died is given to another so many times in all."""

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _read(self) -> "RunnerConfig":
        unread = {
            "serial": ("workers", "address", "cpus", "gpus_per_capture", "attempts"),
            "processes": ("address", "cpus", "gpus_per_capture"),
            "ray": (),
        }[self.kind]
        for name in unread:
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{self.kind} doesn't read {name}: leave it out, or write another kind")
        return self
