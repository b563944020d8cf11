"""Who is let in, and as whom: what stands between a request and whoever serves it."""
