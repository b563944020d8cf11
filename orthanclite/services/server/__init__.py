"""The server itself: what it says of itself, its metrics, and the options that clients may change."""
