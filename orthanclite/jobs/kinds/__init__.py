"""The kinds of jobs, a module for each; the wiring registers them."""
