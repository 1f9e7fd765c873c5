"""A host's networks: their definitions, which of them are up, and the addresses that they give away."""
