"""What release 1.13 did when it spoke with others, and a player that has this server do the same.

``facts/NAME.jsonl``: the first line tells the configuration of the server and its peers; each further line is
one step: ``n`` its number, ``do``, and what came of it: ``seen`` (the answer to a request, or all messages of
an association that the player has opened) and ``peers`` (the associations that the server has opened to a
scripted peer, and its HTTP requests).

Steps: ``upload`` (inputs by name), ``rest``, ``job`` (waits for its end), ``scu`` with ``ops`` (DICOM to the
server), ``peer`` (what a peer answers from now on). Filled in are ``$port(PEER)``, ``$i(input)`` (Orthanc ID
of its instance; ``s`` series, ``t`` study, ``p`` patient) and ``$(name)`` (a value that a step has saved).
Values that are new on each run are marks, as in ``tests/parity/recorded``.

Left out are free texts, names of implementations, the presentation contexts that are proposed, and steps that
wait. A step without ``seen`` is played and not compared: this server does otherwise by intention
(docs/differences.md).
"""
