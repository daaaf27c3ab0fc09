"""Ways to schedule cells; they know no science."""
