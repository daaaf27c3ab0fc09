"""Runs of more than two models: every pair's run by the same code, and what all of them say together."""
