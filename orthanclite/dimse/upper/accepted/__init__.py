"""Associations that peers request of this server."""
