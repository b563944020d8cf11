"""What associations of both roles have in common: connections, PDUs, messages."""
