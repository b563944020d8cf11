"""Finding resources and worklists."""
