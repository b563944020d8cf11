"""Pixel data: reading frames, decoding, rendering, arrays, encoding, transcoding."""
