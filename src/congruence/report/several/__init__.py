"""What a run of several models found, for people: summary, one page, and trees of the models."""
