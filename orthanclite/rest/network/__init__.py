"""Modalities and peers: what is known of them, and what they are asked for."""
