"""Rectangles that are filled in pictures."""
