"""Other servers: modalities, peers and DICOMweb servers, and what they have answered."""
