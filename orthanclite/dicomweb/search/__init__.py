"""Searches: QIDO-RS."""
