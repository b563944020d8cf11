"""Blobs: where the bytes of attachments live."""
