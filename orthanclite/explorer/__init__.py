"""The pages for people: serves the web interface."""
