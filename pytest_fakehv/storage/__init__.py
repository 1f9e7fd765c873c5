"""Where a node keeps what runs."""
