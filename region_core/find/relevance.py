"""Where in a picture is the caption? A map of all places, from what CLIP sees through a few windows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..views import ZOOMS, View
from .texts import contrast, spread

FRAMED = 0.6  # side of a subject in a picture as people take them, in shares of the picture's
NEAR = 0.3  # of the picture's side: how far similar cells support one another
SHARP = 10.0  # nats a unit of cosine between DINO's cells; ProxyCLIP's 3 suits more, and wider, patches


def centred_cells(features: Tensor) -> Tensor:
    """DINO's features [D, h, w] less their mean over the picture, of unit length a cell.

    The mean says what all cells share; without it a cosine between two cells is about their difference.
    """
    maps = features.float()
    return F.normalize(maps - maps.mean(dim=(1, 2), keepdim=True), dim=0)


def relevance_maps(
    views: tuple[View, ...], features: Tensor, shape: torch.Size, caption: Tensor, rivals: Tensor
) -> tuple[Tensor, float] | None:
    """How much each cell of DINO's grid answers to a caption against other texts, seen at each zoom, and how far the
    most answering place stands out among those texts.

    features [D, h, w] of a picture of `shape` [1, 3, H, W], caption [1, E], rivals [n, E] of unit length. A map is made
    of what the places of the windows say and, where there are several windows, of what each says as a whole, each in
    units of its own spread, so no scale of CLIP's is left in [Z, h, w]. The number is in standard deviations of the
    rivals' cosines at the place. None where CLIP's tower shows no places.
    """
    height, width = shape[-2:]
    rows, columns = features.shape[-2:]
    maps, outstanding = [], 0.0
    for view in views:
        if view.places is None:
            return None
        whole = contrast(F.normalize(view.whole, dim=1), caption, rivals).float().cpu()
        unit = F.normalize(view.places, dim=1).movedim(1, 3)  # [n, h, w, E]
        places = unit.flatten(0, 2)
        answer = contrast(places, caption, rivals).float().cpu().reshape(unit.shape[:3])
        outstanding = max(outstanding, float(spread(places, caption, rivals).max()))
        near = view.boxes * torch.tensor([columns / width, rows / height] * 2)
        parts = [_laid(answer, near, rows, columns)]
        if len(view.boxes) > 1:
            parts.append(_laid(whole[:, None, None], near, rows, columns))
        maps.append(torch.stack([part / part.std(correction=0).clamp(min=1e-8) for part in parts]).sum(dim=0))
    return torch.stack(maps), outstanding


def _laid(values: Tensor, boxes: Tensor, rows: int, columns: int) -> Tensor:
    """Each box's values [n, h, w] laid where it is on a grid of rows x columns, the mean where they lap."""
    total, count = torch.zeros(rows, columns), torch.zeros(rows, columns)
    for value, box in zip(values, boxes.round().int().tolist(), strict=True):
        x0, y0 = min(box[0], columns - 1), min(box[1], rows - 1)
        x1, y1 = max(x0 + 1, box[2]), max(y0 + 1, box[3])
        size = (y1 - y0, x1 - x0)
        wide = F.interpolate(value[None, None], size, mode="bicubic", align_corners=False)
        total[y0:y1, x0:x1] += wide.squeeze((0, 1))
        count[y0:y1, x0:x1] += 1
    return total / count.clamp(min=1)


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
