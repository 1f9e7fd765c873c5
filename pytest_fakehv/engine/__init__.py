"""The fake hypervisor itself; it knows nothing of pytest."""
