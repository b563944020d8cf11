"""Data sets as text: Orthanc's three forms of JSON, and the models of DICOMweb in JSON and XML."""
