"""One measure, matcher, filter, null, control and SAE format for congruence, a file each."""
