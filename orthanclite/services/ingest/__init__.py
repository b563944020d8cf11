"""How DICOM files come in: one line for HTTP, DICOM, archives, created instances and jobs.

The stations of the line, each in a module of its own, and the words for what passes through it:

- An *upload* is the body of an HTTP request: a DICOM file, or a ZIP archive of *members* (``upload``,
  ``members``).
- A *reception* takes a file that arrives in pieces, and writes it to the storage area meanwhile
  (``reception``).
- Whatever the way, each DICOM file becomes an *arrival*: its bytes, or the blob that they are in, and where
  it comes from (``arrival``).
- To *prepare* an arrival is to have it filtered, transcoded, summarised, and recorded (``prepare``).
- *Storing* makes the file durable by the strategy that fits it: it may be there already, or is written by a
  second process, by the thread that brings it, through the *journal*, or along with others (``storing``).
- The *commit* takes together what was prepared at the same time, and has the index commit it in one
  transaction (``commit``).
- Then the sender is answered, and then *events* tell what has happened (``core.events``).

The order never changes: the blob is durable, then its record is committed, then the sender is told. A crash
may leave a blob without a record, which the sweep removes; never the reverse.
"""
