"""DICOMweb (PS3.18): QIDO-RS, WADO-RS, STOW-RS and WADO-URI, as Orthanc's plugin offers them.

Statuses and media types are those of the standard; ``docs/dicomweb.md`` tells where the
plugin has others.
"""
