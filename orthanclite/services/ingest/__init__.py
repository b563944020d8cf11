"""How DICOM files come in: parsed, stored durably, committed to the index, only then acknowledged."""
