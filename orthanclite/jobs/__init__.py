"""Jobs: the engine that runs them, and the kinds of them."""
