"""Who computes the tasks of a run, and where: runners schedule, and know nothing of what is computed."""

from congruence.runners.base import Do, Opening, Runner, Task
from congruence.runners.choose import open_runner

__all__ = ["Do", "Opening", "Runner", "Task", "open_runner"]
