"""The REST API: one module per section of the route tree."""
