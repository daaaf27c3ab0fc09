"""The study: what matchers, filters, measures and nulls recover of worlds whose truth is known.

OUT/truth.md       the page, with figures/ beside it
OUT/truth.csv      every mean that the page and the figures show, with its spread and number of worlds
OUT/truth.parquet  every number of every world
OUT/truth.json     what made them
OUT/worlds/        finished worlds, one file a content key: a study that was stopped goes on from here
"""

from congruence.synthetic.study.size import Size
from congruence.synthetic.study.study import Study, run_study
from congruence.synthetic.study.summary import read_summary, summary_of

__all__ = ["Size", "Study", "read_summary", "run_study", "summary_of"]
