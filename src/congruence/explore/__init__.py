"""A local server that shows a finished run in the browser: read-only, for this machine alone."""

from congruence.explore.serve import serve

__all__ = ["serve"]
