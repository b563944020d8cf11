"""Code of the operator that runs inside the server."""
