"""The wings that keep what comes in: files, the index, pictures of them, searches and upkeep."""
