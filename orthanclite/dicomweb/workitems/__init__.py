"""The worklist service: UPS-RS."""
