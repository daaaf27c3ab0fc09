"""What a cell compares: the whole space, concepts, unions, phrases."""
