"""From values to the bytes of a file: elements, data sets that a client describes, and the DICOMDIR."""
