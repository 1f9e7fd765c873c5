"""The cluster behind the interfaces of other programs."""
