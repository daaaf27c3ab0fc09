"""Concept subspaces within a run: words of its text, members of each layer, scores and nulls of each cell."""
