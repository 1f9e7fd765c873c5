"""XML of domains, as a daemon with QEMU reads and writes it."""
