"""Orthanc's JSON configuration, read into frozen typed settings."""

from orthanclite.config.load import Loaded, load
from orthanclite.config.settings import Settings

__all__ = ["Loaded", "Settings", "load"]
