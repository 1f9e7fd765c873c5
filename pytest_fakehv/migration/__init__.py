"""How migrations go."""
