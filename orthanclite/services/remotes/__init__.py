"""The other ends that this server knows: DICOM modalities and peers."""
