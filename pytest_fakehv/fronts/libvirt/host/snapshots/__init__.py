"""Snapshots of domains: what there is of them, and their XML."""
