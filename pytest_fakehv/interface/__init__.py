"""What the code under test calls, takes and gets: the hypervisor interface."""
