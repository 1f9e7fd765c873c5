"""What a host does with the disks of domains that run: what is beneath them, and jobs on that.

It knows no clients; `blocking`, `checkpointing` and `backing_up` above it answer their calls.
"""
