"""The DICOM network: pynetdicom server and handlers."""
