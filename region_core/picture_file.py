"""Picture files: which are read, which of their pages, and how results are written."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from .errors import InputError, first_line
from .files import atomic_write
from .picture import Picture, check_size, from_pil
from .quiet import without_warnings

# What is opened, whatever a file is called. Of what else Pillow knows, EPS starts a program and an icon's
# directory says nothing of the sizes in it.
_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "HEIF", "TIFF", "BMP", "GIF", "JPEG2000", "PPM", "TGA", "PSD", "QOI")
# Those with pages of several sizes, and those with frames, too
_PAGED = ("TIFF", "HEIF", "MPO")
_FRAMED = (*_PAGED, "GIF", "WEBP", "PNG", "AVIF")
_KIND_OF_PAGE, _FURTHER_PAGES = 254, 330  # tags of TIFF; the first is 1 of a smaller copy
_READ = "use a PNG, JPEG, WebP, AVIF, TIFF, BMP or GIF file"


def load_picture(path: str | os.PathLike[str]) -> Picture:
    """Read an image file, turned upright by its EXIF tag.

    InputError when the file is missing, not an image, damaged, under MIN_SIDE, or of more than
    MAX_PIXELS, which is known before anything is decoded.
    """
    name = Path(path)
    page, frames = _pages(name)
    with _opened(name, page) as opened:
        picture = from_pil(opened, f"'{name}'")
        tags = getattr(opened, "tag_v2", {})
    picture.frames = frames
    # a raw photograph: by its tags of smaller size, with its larger ones in directories of its own
    picture.thumbnail = tags.get(_KIND_OF_PAGE) == 1 and _FURTHER_PAGES in tags
    return picture


def check_header(path: str | os.PathLike[str]) -> None:
    """Raise InputError where a file is seen from its header alone to be no picture that is read."""
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        raise InputError(f"'{path}' is no file but a pipe or a device, which cannot be read twice: name a file.")
    page, _ = _pages(Path(path))
    with _opened(Path(path), page) as opened:
        check_size(*opened.size)


def _opened(name: Path, page: int = 0) -> Image.Image:
    """The file, opened at a page and not decoded."""
    if not os.path.exists(name):  # False, not an error, for a name that is too long
        raise InputError(f"There is no file '{name}': check the path.")
    if name.is_dir():
        raise InputError(f"'{name}' is a folder, not an image: name a file in it.")
    try:
        with without_warnings():  # of sizes: MAX_PIXELS decides
            Image.init()  # others, and older versions of Pillow, have more or fewer of them
            opened = Image.open(name, formats=[kind for kind in _FORMATS if kind in Image.OPEN])
            if page:  # where there are layers, it opens at none of them, and there is no way back
                opened.seek(page)
            return opened
    except UnidentifiedImageError:
        raise InputError(f"'{name}' is not an image of a kind that is read: {_READ}.") from None
    except Image.DecompressionBombError as error:
        raise InputError(f"'{name}' is too large to open safely ({error}): shrink it first.") from None
    except Exception as error:  # a DDS file's NotImplementedError, say
        raise InputError(f"'{name}' cannot be opened ({first_line(error)}): {_READ}.") from None


def _pages(name: Path) -> tuple[int, int]:
    """The largest page of a file, of equal ones the first, and how many frames or pages it has. Some begin with a
    thumbnail. A photograph's own preview and a drawing's layers are no pages; the other eye's picture is one."""
    with _opened(name) as image, without_warnings():
        if image.format not in _FRAMED:
            return 0, 1
        sizes, count = [image.size], 1
        try:
            if image.format not in _PAGED:
                count = int(getattr(image, "n_frames", 1))
            while image.format in _PAGED:
                image.seek(count)
                sizes, count = [*sizes, image.size], count + 1
        except EOFError:  # there are no more
            pass
        except Exception:  # a later one is damaged, and the first may be sound
            count += 1
        if image.format == "MPO":
            return 0, sizes.count(sizes[0])
        areas = [width * height for width, height in sizes]
        return areas.index(max(areas)), count


def save_png(image: Image.Image, path: str | os.PathLike[str], icc_profile: bytes | None = None) -> Path:
    """Write a PNG so that the file is whole or not there at all, even when interrupted.

    Folders on the way are made. InputError when the name does not end in .png or cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise InputError(f"'{target}' does not end in .png: results are written as PNG, rename it.")
    with atomic_write(target) as draft:
        image.save(draft, format="PNG", **({} if icc_profile is None else {"icc_profile": icc_profile}))
    return target
