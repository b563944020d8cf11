"""Finding: one query model for ``tools/find``, C-FIND and QIDO-RS, and the tags that answers are to show."""
