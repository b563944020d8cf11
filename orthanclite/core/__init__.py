"""The domain: standard library only, imported by everything."""
