"""Duties in the background that keep index and storage in order, and repairs that clients ask for."""
