"""The one gate for pictures: files, PIL images, arrays and tensors in; tensors and PNG files out.

Inside the core a picture is float32 [1,3,H,W] in 0..1, with alpha beside it as [1,1,H,W]. An 8-bit
picture that goes in comes out bit for bit: `round(x / 255 * 255)` is exact for all 256 values. Of a
picture with values beyond 0..1 (HDR) the models see 0..1, and what is not edited keeps its own.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from .errors import InputError, first_line, with_article
from .files import atomic_write
from .quiet import without_warnings

MIN_SIDE = 32  # the shortest side a picture may have, in pixels
_CHANNELS = (1, 3, 4)
_ANOTHER_RANGE = 0.9  # with this share of values far outside 0..1 it is no HDR, but 0..255, say
MAX_PIXELS = 178_956_970  # Pillow's own limit of refusal, which other packs switch off
# What is opened, whatever a file is called. Of what else Pillow knows, EPS starts a program and an icon's
# directory says nothing of the sizes in it.
_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "HEIF", "TIFF", "BMP", "GIF", "JPEG2000", "PPM", "TGA", "PSD", "QOI")
# Those with pages of several sizes, and those with frames, too
_PAGED = ("TIFF", "HEIF", "MPO")
_FRAMED = (*_PAGED, "GIF", "WEBP", "PNG", "AVIF")
_KIND_OF_PAGE, _FURTHER_PAGES = 254, 330  # tags of TIFF; the first is 1 of a smaller copy
_READ = "use a PNG, JPEG, WebP, AVIF, TIFF, BMP or GIF file"


@dataclass
class Picture:
    """A picture: rgb [1,3,H,W] and, where it has one, alpha [1,1,H,W], both 0..1.

    source is the PIL image it came from, upright, or None. own holds the values as they came, where
    some of them lie beyond 0..1, which rgb does not. deep says that the file has more than 8 bits a channel; frames
    how many pictures a file holds, of which this is the largest, and of equal ones the first; thumbnail that it is the
    small copy of one that is not read.
    """

    rgb: Tensor
    alpha: Tensor | None = None
    source: Image.Image | None = None
    own: Tensor | None = None
    deep: bool = False
    frames: int = 1
    thumbnail: bool = False

    @property
    def height(self) -> int:
        return int(self.rgb.shape[-2])

    @property
    def width(self) -> int:
        return int(self.rgb.shape[-1])

    @property
    def icc_profile(self) -> bytes | None:
        """The colour profile to save results with, where the source's own still fits RGB."""
        if self.source is None or self.source.mode not in ("RGB", "RGBA", "P"):
            return None
        return self.source.info.get("icc_profile")

    def restored(self, edit: Tensor, mask: Tensor) -> Tensor:
        """The edit [1,3,H,W] with the values as they came where the mask [1,1,H,W] is 0."""
        return edit if self.own is None else torch.where(mask == 0, self.own, edit)

    @property
    def note(self) -> str:
        """What of the source is not in the results, in a sentence each; empty where there is nothing."""
        small = "This is the thumbnail of a larger picture in the file, which is not read: export that by itself."
        return " ".join(filter(None, (self._values_note(), self._frames_note(), small * self.thumbnail)))

    def _values_note(self) -> str:
        if self.own is None:
            return "The picture has more than 8 bits a channel, and results have 8." if self.deep else ""
        return (
            f"The picture's values reach from {float(self.own.min()):g} to "
            f"{float(self.own.max()):g}: the models see them cut to 0 to 1, and what is not "
            "edited keeps them, but for a PNG file, which holds no more."
        )

    def _frames_note(self) -> str:
        if self.frames == 1:
            return ""
        return (
            f"The file holds {self.frames} frames or pages, and one is edited, the largest or else the first: "
            "save another as a file of its own to edit that."
        )


def load_picture(path: str | os.PathLike[str]) -> Picture:
    """Read an image file, turned upright by its EXIF tag.

    InputError when the file is missing, not an image, damaged, under MIN_SIDE, or of more than
    MAX_PIXELS, which is known before anything is decoded.
    """
    name = Path(path)
    page, frames = _pages(name)
    with _opened(name, page) as opened:
        picture = _from_pil(opened, f"'{name}'")
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
        _check_size(*opened.size)


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


def picture_from(image: Picture | Image.Image | np.ndarray | Tensor) -> Picture:
    """A picture from a PIL image, an array [H,W] or [H,W,C], or a tensor; one that is a `Picture` as it is.

    Arrays are uint8, uint16 or float 0..1. Tensors are [C,H,W], [1,C,H,W], [H,W,C] or [1,H,W,C],
    uint8 or float 0..1, and keep their device. C is 1, 3 or 4. The input is copied, never changed.
    """
    if isinstance(image, Picture):
        return image
    if isinstance(image, Image.Image):
        return _from_pil(image)
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if isinstance(image, Tensor):
        return _from_tensor(image)
    raise InputError(
        f"A picture cannot be made from {with_article(type(image).__name__)}: give a PIL image, an array or a tensor."
    )


def to_pil(rgb: Tensor, alpha: Tensor | None = None) -> Image.Image:
    """rgb [1,3,H,W] or [3,H,W] in 0..1, and alpha with one channel, as an 8-bit PIL image."""
    layers = _one(rgb, 3)
    if alpha is not None:
        layers = torch.cat([layers, _one(alpha, 1)])
    eight = layers.detach().float().mul(255).round().clamp(0, 255).to(torch.uint8)
    # CHW -> HWC, as PIL wants it
    return Image.fromarray(eight.permute(1, 2, 0).contiguous().cpu().numpy())


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


def _one(layers: Tensor, channels: int) -> Tensor:
    """[1,C,H,W] or [C,H,W] as [C,H,W]."""
    if layers.ndim == 4 and layers.shape[0] == 1:
        layers = layers[0]
    if layers.ndim != 3 or layers.shape[0] != channels:
        raise InputError(f"A tensor of shape {list(layers.shape)} is not one picture: give [{channels}, H, W].")
    return layers


def _from_pil(image: Image.Image, name: str = "The picture") -> Picture:
    _check_size(*image.size)
    # of colours Pillow reads 8 bits alone, and says so only before it reads them
    deep = image.mode[0] in "IF" or any(";16" in str(tile) for tile in getattr(image, "tile", ()))
    try:
        image.load()
    except Exception as error:  # decoders are many, and raise what they like
        raise InputError(f"{name} is damaged or cut short ({first_line(error)}): copy or export it again.") from None
    try:
        upright = ImageOps.exif_transpose(image)  # a copy: the caller's may be closed or changed
    except Exception:  # EXIF that cannot be read turns nothing, whatever the reader makes of it
        upright = image.copy()
    try:
        array = _pil_array(upright)
    except InputError:
        raise
    except Exception as error:  # a transparency that does not suit the mode, say
        raise InputError(f"{name} cannot be made RGB ({first_line(error)}): save it as PNG.") from None
    picture = _from_array(array)
    picture.source, picture.deep = upright, deep
    return picture


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


def _pil_array(image: Image.Image) -> np.ndarray:
    """Any PIL mode as uint8 [H,W,3 or 4], uint16 [H,W] or float [H,W]."""
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode == "I":  # how Pillow hands over some 16-bit files
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 65535:
            raise InputError(
                f"The picture's values reach from {deep.min()} to {deep.max()}, but 0 to 65535 is "
                "the most that is read: save it with 8 or 16 bits a channel."
            )
        return deep.astype(np.uint16)
    if image.mode == "F":
        return np.asarray(image)
    wanted = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode == "La":  # Pillow knows premultiplied grey only by way of LA
        image = image.convert("LA")
    return np.asarray(image if image.mode == wanted else image.convert(wanted))


def _from_array(array: np.ndarray) -> Picture:
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in _CHANNELS:
        raise InputError(
            f"An array of shape {list(array.shape)} is not a picture: give [H, W] or [H, W, C] with C 1, 3 or 4."
        )
    if array.dtype == np.uint8:
        scale = 255
    elif array.dtype == np.uint16:
        scale = 65535
    elif array.dtype == np.bool_ or np.issubdtype(array.dtype, np.floating):
        scale = 1
    else:
        raise InputError(f"An array of {array.dtype} is not a picture: give uint8, uint16, or floats 0 to 1.")
    layers = torch.from_numpy(array.astype(np.float32))
    return _from_layers(layers.permute(2, 0, 1)[None] / scale)  # HWC -> BCHW


def _from_tensor(image: Tensor) -> Picture:
    if image.layout != torch.strided:
        raise InputError(f"A tensor with the layout {image.layout} is not a picture: make it dense with to_dense().")
    batch = image[None] if image.ndim == 3 else image
    if batch.ndim != 4:
        raise InputError(f"A tensor of shape {list(image.shape)} is not a picture: give [3, H, W] or [1, H, W, 3].")
    if batch.shape[0] != 1:
        raise InputError(
            f"The batch holds {batch.shape[0]} pictures, but one is edited at a time: pass them one by one."
        )
    # A side is at least MIN_SIDE long, so a number as small as this can only be the channels.
    if batch.shape[1] not in _CHANNELS and batch.shape[3] in _CHANNELS:
        batch = batch.permute(0, 3, 1, 2)  # BHWC -> BCHW
    if batch.shape[1] not in _CHANNELS:
        raise InputError(
            f"A tensor of shape {list(image.shape)} has no axis of 1, 3 or 4 channels: give [3, H, W] or [1, H, W, 3]."
        )
    if batch.dtype == torch.uint8:
        return _from_layers(batch.float() / 255)
    if not batch.is_floating_point():
        raise InputError(f"A tensor of {batch.dtype} is not a picture: give uint8, or floats 0 to 1.")
    return _from_layers(batch.detach().float())


def _check_size(width: int, height: int) -> None:
    if min(height, width) < MIN_SIDE:
        raise InputError(
            f"The picture is {width} x {height} pixels, but each side must be at least {MIN_SIDE}: use a larger one."
        )
    if height * width > MAX_PIXELS:
        raise InputError(
            f"The picture is {width} x {height} pixels, but {MAX_PIXELS // 10**6} million are the "
            "most that is read: shrink it first."
        )


def check_layers(layers: Tensor) -> None:
    """Raise InputError where floats [1,C,H,W] are no picture that is edited: a side too short, too many
    pixels, values that are not numbers or of another range than 0 to 1."""
    _check_size(layers.shape[-1], layers.shape[-2])
    low, high = float(layers.min()), float(layers.max())
    if not (math.isfinite(low) and math.isfinite(high)):  # both are NaN where one value is
        raise InputError(
            "The picture holds values that are not numbers (NaN or infinity): look at where it "
            "comes from, a model in half precision for example."
        )
    colors = layers[:, : 1 if layers.shape[1] == 1 else 3]
    if (low < 0 or high > 1) and float(((colors < -1) | (colors > 2)).float().mean()) > _ANOTHER_RANGE:
        raise InputError(
            f"The picture's values reach from {low:g} to {high:g}, nearly all far outside 0 to 1: "
            "scale them, by 1/255 where they are those of 8 bits."
        )


def _from_layers(layers: Tensor) -> Picture:
    """[1,C,H,W] floats, checked, parted into rgb and alpha; a copy."""
    check_layers(layers)
    colors = layers[:, : 1 if layers.shape[1] == 1 else 3].expand(-1, 3, -1, -1)
    beyond = float(layers.min()) < 0 or float(layers.max()) > 1
    own = colors.contiguous().clone() if beyond else None
    alpha = layers[:, 3:].clamp(0, 1).contiguous() if layers.shape[1] == 4 else None
    return Picture(colors.clamp(0, 1).contiguous(), alpha, own=own)
