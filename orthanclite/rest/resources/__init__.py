"""Patients, studies, series and instances: the tree, and what hangs on each."""
