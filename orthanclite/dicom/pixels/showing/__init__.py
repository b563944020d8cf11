"""From samples to what people look at."""
