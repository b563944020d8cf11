"""Archives: ZIP files of patients, studies, series and instances, plain or as DICOM media.

``plan`` says what goes into an archive and under which names, ``source`` reads it, ``zip`` knows the format,
``writer`` drives the three, step by step or as a stream, and ``service`` is what the adapters call.
"""
