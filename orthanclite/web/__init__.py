"""The HTTP kit: what any API of this server is made of. It knows HTTP, and of ours only ``core``.

``application`` takes routers and a policy and is what uvicorn serves; ``dispatch`` leads a request to its
handler; ``routing`` is how a router declares its operations; ``bodies`` come in, ``answers`` go out. The APIs
themselves stand beside it: ``rest``, ``explorer``, and ``dicomweb`` to come.
"""
