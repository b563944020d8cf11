"""Changing files: a parsed file and a plan give the bytes of another file, all else untouched.

``paths`` names what is meant, ``plan`` says what becomes of it, ``profiles`` hold what anonymisation wants of
each attribute, ``treatment`` and ``cleaning`` make the values that they want, ``pseudonyms`` what follows
from a secret key; ``changes`` applies a plan to a parsed file, by the ``rules`` of each data set, and
``rewrite`` makes bytes of the result. ``comparison`` tells what has changed.
"""

from orthanclite.dicom.edit.editing import edit
from orthanclite.dicom.edit.paths import TagPath, parse_path
from orthanclite.dicom.edit.plan import EditPlan
from orthanclite.dicom.edit.pseudonyms import new_uid
from orthanclite.dicom.edit.rewrite import EditedFile

__all__ = ["EditPlan", "EditedFile", "TagPath", "edit", "new_uid", "parse_path"]
