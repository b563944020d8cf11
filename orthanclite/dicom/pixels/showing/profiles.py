"""Colour profiles of pictures (ICC.1): which one a picture has, and pictures in another colour space."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms
from pydicom.dataset import Dataset

from orthanclite.core.errors import UnsupportedMediaType
from orthanclite.dicom.pixels.reading.description import Samples

_LARGEST = 1 << 20  # bytes of a profile that is given on
_HEAD = 128  # bytes of the header of a profile (ICC.1 section 7.2)


class Profile(StrEnum):
    """The colour profile that a picture is to have (PS3.18 section 8.3.5.1.5)."""

    NONE = "no"
    OWN = "yes"  # that of the image; sRGB where it has none
    SRGB = "srgb"  # and the picture is converted to it


def with_profile(picture: Samples, header: Dataset, wanted: Profile) -> tuple[Samples, bytes]:
    """A picture of u1 and the profile to embed in its file, empty for none; gray becomes colour where one is.

    :param header: of the image that the picture was made of
    :raises UnsupportedMediaType: where the profile of the image cannot be used.
    """
    if wanted is Profile.NONE:
        return picture, b""
    if picture.ndim == 2:  # the values of a gray picture are meant as sRGB (PS3.18 section 8.3.5.1.5)
        return np.repeat(picture[:, :, np.newaxis], 3, axis=2), srgb_profile()
    own = _profile_of(header)
    if own is None:
        return picture, srgb_profile()
    return (picture, own) if wanted is Profile.OWN else (_to_srgb(picture, own), srgb_profile())


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """The profile of sRGB (IEC 61966-2-1)."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _profile_of(header: Dataset) -> bytes | None:
    """The profile that an image brings with it (PS3.3 C.11.15), for slides in its first optical path."""
    paths = header.get("OpticalPathSequence") or []
    for dataset in (header, *paths[:1]):
        value = dataset.get("ICCProfile")
        if isinstance(value, bytes) and _HEAD < len(value) <= _LARGEST:
            # What is no profile of RGB values would make the file unreadable.
            return value if (value[16:20], value[36:40]) == (b"RGB ", b"acsp") else None
    return None


def _to_srgb(picture: Samples, profile: bytes) -> Samples:
    try:
        converted = ImageCms.profileToProfile(
            Image.fromarray(np.ascontiguousarray(picture)),
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
        )
    except (ImageCms.PyCMSError, OSError) as exc:
        raise UnsupportedMediaType("The colour profile of the image cannot be used") from exc
    return np.asarray(converted)
