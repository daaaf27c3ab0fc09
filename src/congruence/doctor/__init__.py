"""The doctor: whether every SAE fits the model and hook that it is read from, before anything is computed."""

from congruence.careful import guard
from congruence.doctor.diagnose import diagnose, preflight
from congruence.doctor.records import Record, errors

__all__ = ["Record", "diagnose", "errors", "preflight"]

guard(globals())
