"""The one gate for pictures: PIL images, arrays and tensors in; tensors out. `picture_file` has the files.

Inside the core a picture is float32 [1,3,H,W] in 0..1, with alpha beside it as [1,1,H,W]. An 8-bit
picture that goes in comes out bit for bit: `round(x / 255 * 255)` is exact for all 256 values. Of a
picture with values beyond 0..1 (HDR) the models see 0..1, and what is not edited keeps its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from .errors import InputError, first_line, with_article

MIN_SIDE = 32  # the shortest side a picture may have, in pixels
_CHANNELS = (1, 3, 4)
_ANOTHER_RANGE = 0.9  # with this share of values far outside 0..1 it is no HDR, but 0..255, say
MAX_PIXELS = 178_956_970  # Pillow's own limit of refusal, which other packs switch off


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


def picture_from(image: Picture | Image.Image | np.ndarray | Tensor) -> Picture:
    """A picture from a PIL image, an array [H,W] or [H,W,C], or a tensor; one that is a `Picture` as it is.

    Arrays are uint8, uint16 or float 0..1. Tensors are [C,H,W], [1,C,H,W], [H,W,C] or [1,H,W,C],
    uint8 or float 0..1, and keep their device. C is 1, 3 or 4. The input is copied, never changed.
    """
    if isinstance(image, Picture):
        return image
    if isinstance(image, Image.Image):
        return from_pil(image)
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


def _one(layers: Tensor, channels: int) -> Tensor:
    """[1,C,H,W] or [C,H,W] as [C,H,W]."""
    if layers.ndim == 4 and layers.shape[0] == 1:
        layers = layers[0]
    if layers.ndim != 3 or layers.shape[0] != channels:
        raise InputError(f"A tensor of shape {list(layers.shape)} is not one picture: give [{channels}, H, W].")
    return layers


def from_pil(image: Image.Image, name: str = "The picture") -> Picture:
    """A copy of a PIL image, turned upright by its EXIF tag; `name` is what messages call it."""
    check_size(*image.size)
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


def check_size(width: int, height: int) -> None:
    """Raise InputError for a side under MIN_SIDE, or more than MAX_PIXELS."""
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
    check_size(layers.shape[-1], layers.shape[-2])
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
