"""From samples to the bytes of a file."""
