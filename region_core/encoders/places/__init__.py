"""What CLIP's image tower says of each place of a picture, in the space of its texts.

The pooled embedding of a picture mixes all that is in it. Before pooling the tower still knows where: of
a transformer with a class token the values of the last attention block are read, averaged over the places
that another network's features hold to be alike (Lan et al., "ProxyCLIP", ECCV 2024), of other towers the
last map, each place as if it were pooled alone. A module a kind of tower; a tower of a new kind may bring
its own `read_places(pixels, affinity)`.
"""

from __future__ import annotations

from torch import nn

from . import openclip_resnet, openclip_vit, timm_map, timm_tokens
from .common import Affinity, NoPlaces, Reader

__all__ = ["Affinity", "NoPlaces", "Reader", "reader_of"]
_KINDS = (openclip_vit, openclip_resnet, timm_tokens, timm_map)


def reader_of(visual: nn.Module) -> Reader:
    """What reads the places of an image tower; raises NoPlaces where nothing does."""
    if hasattr(visual, "read_places"):
        return lambda tower, pixels, affinity: tower.read_places(pixels, affinity)
    for kind in _KINDS:
        reader = kind.reader_of(visual)
        if reader is not None:
            return reader
    raise NoPlaces(f"its image tower, {type(visual).__name__}, is of no kind whose places can be read")
