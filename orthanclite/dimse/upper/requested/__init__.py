"""Associations that this server requests of peers."""
