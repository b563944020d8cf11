"""Making and changing data sets."""
