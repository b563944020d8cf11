"""What release 1.13 answered, and a player that asks this server the same.

The installed reference is older than the release that this server follows. So its answers to some thousand
requests were recorded, by scenario, and are kept in ``facts/NAME.jsonl``:

- the first line tells the configuration of the server, and who asks (``auth``);
- each further line is one step: ``i`` its number, ``do`` the request, ``status``, ``headers``, ``answer``.

``do`` holds ``method``, ``path``, ``headers``, ``body`` (``json``, ``text``, or an input by name: ``file``),
what later steps need of the answer (``capture``: a name and a JSON pointer; used as ``${name}``), and how
long to wait before (``wait``, ``sleep``).

An answer is kept in its normal form (``answers.py``): JSON as it is, an error as its code, a DICOM file as
its elements, an archive as its members, an image as its pixels. A value that is new on each run is a mark,
``{"~": CLASS, "n": 1}``, or ``~{CLASS:1}`` inside a longer text; the same number is the same value throughout
the scenario (``marks.py``).

What differs by intention stands in ``tests/parity/differences.py``. A further recording is brought in with
``python -m tests.parity.recorded.bring FILE``.
"""
