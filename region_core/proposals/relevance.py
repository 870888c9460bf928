"""Where in a picture is the caption? A map from one look of CLIP's at all places at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..encoders import ClipScorer
from .texts import contrast, spread

ZOOMS = (1.0, 2.0, 3.0)  # times CLIP's own side, the larger for what is small: 1 + 4 + 9 encodings
FRAMED = 0.6  # side of a subject in a picture as people take them, in shares of the picture's
NEAR = 0.3  # of the picture's side: how far alike cells speak for one another
SHARP = 10.0  # nats a unit of cosine between DINO's cells; ProxyCLIP's 3 suits more, and wider, patches


def centred_cells(features: Tensor) -> Tensor:
    """DINO's features [D, h, w] less their mean over the picture, of unit length a cell.

    The mean says what all cells share; without it a cosine between two cells is about their difference.
    """
    maps = features.float()
    return F.normalize(maps - maps.mean(dim=(1, 2), keepdim=True), dim=0)


def relevance_maps(scorer: ClipScorer, picture: Tensor, features: Tensor, caption: Tensor,
                   rivals: Tensor) -> tuple[Tensor, float] | None:
    """How much each cell of DINO's grid answers to a caption against other texts, seen at each of `ZOOMS`,
    and how far the most answering place stands out among those texts.

    picture [1, 3, H, W], features [D, h, w], caption [1, E], rivals [n, E] of unit length. Each map of
    [Z, h, w] is in units of its own spread, so no scale of CLIP's is left in it. The number is in
    standard deviations of the rivals' cosines at the place. None where CLIP's tower shows no places.
    """
    grid = (int(features.shape[-2]), int(features.shape[-1]))
    maps, outstanding = [], []
    for zoom in ZOOMS:
        places = scorer.local(picture, features, zoom)
        if places is None:
            return None
        unit = F.normalize(places, dim=0).flatten(1).T  # [P, E]
        answer = contrast(unit, caption, rivals).float().cpu()
        outstanding.append(float(spread(unit, caption, rivals).max()))
        wide = F.interpolate(answer.reshape(1, 1, *places.shape[-2:]), grid, mode="bicubic",
                             align_corners=False)[0, 0]
        maps.append(wide / answer.std(correction=0).clamp(min=1e-8))
    return torch.stack(maps), max(outstanding)


def zoom_weights(share: Tensor) -> Tensor:
    """Of regions that take `share` [N] of the picture: the weight of each zoom, [N, Z], rows summing to 1.

    CLIP knows a thing best at the size that it has in pictures as people take them, so a region is
    judged by the zoom at which its side would be `FRAMED` of CLIP's; an octave away counts e^-2.
    """
    octaves = (share.clamp(min=1e-6).sqrt()[:, None] * torch.tensor(ZOOMS) / FRAMED).log2()
    return (-2 * octaves.square()).softmax(dim=1)


def shared_by_likeness(values: Tensor, cells: Tensor) -> Tensor:
    """Maps [Z, h, w], each cell's averaged over the near cells that look like it; cells [D, h, w] unit.

    CLIP's map is coarse and blurred; DINO's cells know which side of an edge they are on.
    """
    rows, columns = values.shape[-2:]
    flat = cells.flatten(1)
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    place = torch.stack([y.flatten(), x.flatten()], dim=1).float() / (rows * columns) ** 0.5
    weights = flat.T @ flat * SHARP - (torch.cdist(place, place) / NEAR).square()
    return (weights.softmax(dim=-1) @ values.flatten(1).T).T.reshape(-1, rows, columns)
