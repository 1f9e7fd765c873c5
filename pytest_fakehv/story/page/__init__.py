"""The pictures, and the page of a whole run."""
