"""From the bytes of a file to what it says.

``header`` reads what precedes the data set. ``scanner`` walks over a data set and notes where a few wanted
elements are: the hot path of every upload, whose results ``dicom/summary`` makes values of. ``parser`` notes
where all elements are, those of sequences too (``dataset``), for whatever shows or rewrites a file;
``content`` follows a path into them.
"""
