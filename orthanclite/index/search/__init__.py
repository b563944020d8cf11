"""Searches: a request of core, the plan for it, and its SQL."""
