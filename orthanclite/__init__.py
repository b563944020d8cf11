"""orthanclite: an Orthanc-compatible DICOM server."""

__version__ = "0.1.0"
