"""Patients, studies, series and instances as rows: stored, read, annotated, removed."""
