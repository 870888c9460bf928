"""What CLIP and DINO say of each candidate region; deviations among them, never a cosine as such."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from ..boxes import cut_squares, expand
from ..encoders import ClipScorer
from .masks import coarse
from .texts import contrast, spread

RING = 0.3  # a region's surroundings: so many times its size outwards, in square roots of its area
GAIN = 0.15  # exponent of a region's share; 0 would prefer the hottest speck, 1 the whole picture
_REACHES = (2, 4, 6, 10, 16)  # fine places by which a ring is made
AROUND = 1.5  # CLIP sees a region with half its size of surroundings, as ReCLIP's crops have
BLUR = 0.08  # sigma in shares of the window's side: things are gone, the ground's colours stay


@dataclass(frozen=True)
class MapEvidence:
    """Of N regions, all [N]: what the maps say, at no further encoding.

    `ring`: relevance inside less in the ring round it (does it end where the region ends?). `rest`:
    relevance inside less in all the rest, times the region's share to the power of `GAIN`: of two that
    answer as well the larger explains more. `apart`: how much more alike DINO's cells inside are to their
    own mean than those of the ring (is it one thing, and all of it?). `share`: of the picture.
    """

    ring: Tensor
    rest: Tensor
    apart: Tensor
    share: Tensor


def map_evidence(masks: Tensor, relevance: Tensor, cells: Tensor, weights: Tensor | None = None) -> MapEvidence:
    """masks [N, h*FINE, w*FINE] float, relevance [Z, h, w], cells [D, h, w] of unit length.

    weights [N, Z] of the maps in each region's evidence; equal ones by default.
    """
    share = masks.mean(dim=(1, 2))
    weights = torch.full((len(masks), len(relevance)), 1 / len(relevance)) if weights is None else weights
    reach = share.mul(masks[0].numel()).sqrt() * RING
    wider = masks.clone()
    for least in _REACHES:
        rows = reach.clamp(min=_REACHES[0]) >= least
        if bool(rows.any()):
            wider[rows] = F.max_pool2d(masks[rows][:, None], 2 * least + 1, 1, least).squeeze(1)
    inside, ring = coarse(masks), coarse(wider - masks)
    outside = 1 - inside
    flat, values = cells.flatten(1).T, relevance.flatten(1).T  # [h*w, D], [h*w, Z]
    lowest = values.amin(dim=0)
    likeness = F.normalize(inside @ flat, dim=1) @ flat.T  # [N, h*w]: of each cell to the region's mean
    answered = _mean(inside, values)
    # of a region that leaves nothing outside, what is outside is taken to be the least there is
    around = torch.where(ring.sum(dim=1, keepdim=True) > 0.5, _mean(ring, values), lowest)
    beyond = torch.where(outside.sum(dim=1, keepdim=True) > 0.5, _mean(outside, values), lowest)
    own = (likeness * inside).sum(dim=1) / inside.sum(dim=1).clamp(min=1e-6)
    others = torch.where(
        ring.sum(dim=1) > 0.5, (likeness * ring).sum(dim=1) / ring.sum(dim=1).clamp(min=1e-6), likeness.mean(dim=1)
    )
    by_ring = ((answered - around) * weights).sum(dim=1)
    by_rest = ((answered - beyond) * weights).sum(dim=1)
    return MapEvidence(by_ring, by_rest * share**GAIN, own - others, share)


def _mean(weights: Tensor, values: Tensor) -> Tensor:
    return (weights @ values) / weights.sum(dim=1, keepdim=True).clamp(min=1e-6)


@dataclass(frozen=True)
class CropEvidence:
    """Of N regions, all [N]: the caption's contrast in the region with some surroundings (`crop`) and in
    a window round it in which all but the region is blurred (`blur`), and both as standard deviations
    among other texts (`crop_spread`, `blur_spread`)."""

    crop: Tensor
    blur: Tensor
    crop_spread: Tensor
    blur_spread: Tensor


def crop_evidence(scorer: ClipScorer, picture: Tensor, boxes: Tensor, caption: Tensor, rivals: Tensor) -> CropEvidence:
    """Two encodings a box: picture [1, 3, H, W], boxes [N, 4] in its pixels."""
    wider = expand(boxes, AROUND, *picture.shape[-2:])
    near = scorer.encode_images(cut_squares(picture, wider, scorer.image_size))
    alone = scorer.encode_images(blurred_outside(picture, boxes, scorer.image_size))
    values = (
        contrast(near, caption, rivals),
        contrast(alone, caption, rivals),
        spread(near, caption, rivals),
        spread(alone, caption, rivals),
    )
    return CropEvidence(*(value.float().cpu() for value in values))


def blurred_outside(picture: Tensor, boxes: Tensor, side: int) -> Tensor:
    """[N, 3, side, side]: the largest square window round each box that the picture has room for, or
    the box's own length where that is more, with all but the box blurred.

    Blurred and not filled: a flat fill is itself something CLIP sees. A square window keeps what is in
    a wide picture from being squeezed.
    """
    height, width = picture.shape[-2:]
    limits = boxes.new_tensor([width, height])
    length = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True).clamp(min=float(min(height, width)))
    lengths = torch.minimum(length, limits)  # [N, 2]: a picture may be shorter than the window
    corner = ((boxes[:, :2] + boxes[:, 2:] - lengths) / 2).clamp(min=0)
    corner = torch.minimum(corner, limits - lengths)
    windows = torch.cat([corner, corner + lengths], dim=1)
    seen = cut_squares(picture, windows, side)
    sigma = BLUR * side
    soft = gaussian_blur(seen, [2 * int(3 * sigma) + 1] * 2, [sigma, sigma])
    inner = (boxes - corner.repeat(1, 2)) / lengths.repeat(1, 2) * side
    line = torch.arange(side, dtype=boxes.dtype, device=boxes.device)
    low = torch.maximum(inner[:, None, :2], line[None, :, None])
    high = torch.minimum(inner[:, None, 2:], line[None, :, None] + 1)
    cover = (high - low).clamp(0, 1)  # [N, side, 2]: how much of each column and row the box covers
    mask = (cover[:, :, 1, None] * cover[:, None, :, 0])[:, None].to(seen)
    return seen * mask + soft * (1 - mask)
