"""The last module that is imported before servers are forked: the dictionary of tags is built by then."""

from __future__ import annotations

import gc

from orthanclite.dicom.dictionary import TagDictionary

TagDictionary.build()
gc.collect()
gc.freeze()  # the garbage collector of a fork does not touch, and so copy, what it shares with this process
