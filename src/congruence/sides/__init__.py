"""What a run, the doctor and training all open: a model with its SAEs, text, and what stands in for them."""
