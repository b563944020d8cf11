"""Everything that knows the DICOM encoding: parsing, renderings, character sets, pixels."""
