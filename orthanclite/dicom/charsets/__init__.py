"""Text in the character sets of DICOM (PS3.3 C.12.1.1.2, PS3.5 section 6.1).

:func:`charset_of` gives the :class:`Charset` that a value of SpecificCharacterSet announces, in whatever
spelling files have it (``terms.py``); ``defaults.py`` holds the values of the option ``DefaultEncoding``.
"""

from orthanclite.dicom.charsets.charset import Charset, charset_of
from orthanclite.dicom.charsets.defaults import DefaultEncoding, parse_default_encoding
from orthanclite.dicom.charsets.terms import is_known_term

__all__ = ["Charset", "DefaultEncoding", "charset_of", "is_known_term", "parse_default_encoding"]
