"""The nodes, alone and together, and the test's side of both."""
