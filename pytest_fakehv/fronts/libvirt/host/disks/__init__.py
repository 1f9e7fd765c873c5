"""The disks of a domain that runs: what they stand on, and what is being done with them."""
