"""Recipes: functions that return a full configuration."""

from congruence.careful import guard
from congruence.recipes import extensions, lan2024, son2025
from congruence.recipes.demo import demo
from congruence.recipes.recipe import PAPERS, RECIPES, Recipe

__all__ = ["PAPERS", "RECIPES", "Recipe", "demo", "extensions", "lan2024", "son2025"]

guard(globals())
