"""New instances, and changes of stored ones."""
