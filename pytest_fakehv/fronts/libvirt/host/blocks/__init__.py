"""What a host does with disks of domains that run, and with the volumes that they stand on."""
