"""What can be asked of more than two models: cycles, consensus features, universality, clusters of models."""

from congruence.careful import guard
from congruence.several.clusters import Clusters, clustered
from congruence.several.consensus import Group, consensus
from congruence.several.cycles import Cycle, come_home
from congruence.several.links import Links

__all__ = ["Clusters", "Cycle", "Group", "Links", "clustered", "come_home", "consensus"]

guard(globals())
