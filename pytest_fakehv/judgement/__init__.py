"""What must hold, and what is said where it does not."""
