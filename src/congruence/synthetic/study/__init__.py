"""The study of what the library recovers of a known truth."""
