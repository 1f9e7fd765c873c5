"""The engine behind other people's types. A bridge is imported by whoever wants it, and by nobody else."""
