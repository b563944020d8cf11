"""Outgoing HTTP, on httpx: peers and DICOMweb servers."""

from orthanclite.remote.client import HttpxClient, HttpxOptions

__all__ = ["HttpxClient", "HttpxOptions"]
