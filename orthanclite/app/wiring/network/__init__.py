"""The wings that deal with others: modalities, peers, worklists and DICOMweb, in both directions."""
