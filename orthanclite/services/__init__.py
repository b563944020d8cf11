"""One module per capability, on top of the ports of core."""
