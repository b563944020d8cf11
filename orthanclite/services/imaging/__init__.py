"""Pixels: frames, pictures, arrays and transcoded files, decoded in worker processes."""
