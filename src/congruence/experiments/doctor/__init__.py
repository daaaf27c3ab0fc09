"""The doctor: whether every SAE fits the model and hook that it is read from, before anything is computed."""

from congruence.experiments.doctor.diagnose import diagnose
from congruence.experiments.doctor.preflight import preflight
from congruence.experiments.doctor.records import Record, errors

__all__ = ["Record", "diagnose", "errors", "preflight"]
