"""From the bytes of a file to the samples of a frame."""
