"""Recipes: functions that return a full configuration."""

from congruence.recipes.demo import demo

__all__ = ["demo"]
