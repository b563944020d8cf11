"""Orthanc configuration files turned into frozen typed settings."""
