"""Bodies of requests: read within bounds, inflated, taken apart where they are forms."""
