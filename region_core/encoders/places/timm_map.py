"""timm's networks that end in a map (convolutions, MobileCLIP, windows): each place alone through pooling and head."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .common import Affinity, NoPlaces, Reader, laid_out


def reader_of(visual: nn.Module) -> Reader | None:
    """`read` for open_clip's adapter of a timm network; None for another tower."""
    if not (hasattr(visual, "head") and hasattr(getattr(visual, "trunk", None), "forward_head")):
        return None
    if hasattr(visual.head, "pool"):
        raise NoPlaces("its image tower pools by attention over a whole map of one size")
    return read


def read(visual: Any, pixels: Tensor, affinity: Affinity | None = None) -> tuple[Tensor, Tensor]:
    """See `Reader`; its places need no affinity, and their mean is the picture's embedding where that is linear."""
    trunk, head = visual.trunk, visual.head
    maps = trunk.forward_features(pixels)
    if maps.ndim != 4:
        raise NoPlaces(f"its image tower's trunk, {type(trunk).__name__}, ends in no map")
    last = getattr(trunk, "output_fmt", "NCHW") == "NHWC"  # Swin's, say
    cells = maps if last else maps.permute(0, 2, 3, 1)
    batch, height, width, channels = cells.shape
    one = (1, 1, channels) if last else (channels, 1, 1)
    seen = head(trunk.forward_head(cells.reshape(-1, *one))).reshape(batch, height * width, -1)
    return head(trunk.forward_head(maps)), laid_out(seen, (height, width))
