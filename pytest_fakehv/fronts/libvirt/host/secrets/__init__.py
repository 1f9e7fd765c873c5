"""A host's secrets: how they are defined, and their values."""
