"""What a run will take before it is computed: its tasks, what each costs, and how many workers help."""

from congruence.planning.costs import Costs, measured_in
from congruence.planning.plan import Plan, Prices, plan_of
from congruence.planning.simulation import Outcome, Setting, simulate
from congruence.planning.work import Piece, Work, work_of

__all__ = [
    "Costs",
    "Outcome",
    "Piece",
    "Plan",
    "Prices",
    "Setting",
    "Work",
    "measured_in",
    "plan_of",
    "simulate",
    "work_of",
]
