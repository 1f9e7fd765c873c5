"""What answers inside a guest: its agent, as a test says, or as its definition and its networks have it."""
