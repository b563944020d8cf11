"""HTTP/1.1 between the socket and ASGI.

::

    head.py        the gate: a request's head is read whole by strict rules, or refused
    bodies.py      where a body ends: Content-Length, chunks
    direct.py      bodies that are read straight into the memory in which they are used
    exchange.py    one request and its answer, as an ASGI application sees them
    answers.py     answers as bytes
    connection.py  one connection: requests one after the other, each in its turn
    patrol.py      all connections: their limits, their memory, the clients that are too slow

uvicorn's ``Server`` listens, makes a connection for each client and ends them;
``tests/web/protocol/test_uvicorn_contract.py`` says what is needed of it.
"""
