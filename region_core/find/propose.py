"""Candidate regions with evidence: what of a picture may be meant by a caption.

Nothing here reads a cosine as such. Every number is a deviation among the regions of the same picture,
or of the caption among other texts, so that an increasing straight line through CLIP's cosines changes
nothing that is found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_iou, nms

from ..encode import EncodedPicture
from ..encoders import ClipScorer
from ..paper.anchors import pick_anchors
from ..settings import FindSettings
from .empty import empty_places
from .masks import Mask, boxes_round, fitted_mask, level_masks, of_size, similarity_masks, window_masks
from .prior import Prior
from .probes import CropEvidence, MapEvidence, crop_evidence, map_evidence
from .relevance import centred_cells, relevance_maps, shared_by_likeness, zoom_weights
from .texts import is_ground, rivals, standardised

MOST = 32  # regions proposed
WHOLE = 16  # a window of 15 cells to each side of its own is the published grid of 32 x 32: the whole picture
LEAST_SHARE = 0.003  # of the picture: smaller ones are specks of the grid
FITTED = 16  # of the best regions, fitted anew by DINO
ASKED = 24  # regions that CLIP sees close up, two encodings each
SAME, DISTINCT = 0.9, 0.7  # IoU above which two regions are one to CLIP, and one to choose from
ANCHOR_DISTANCE = 2.0  # cells between anchors
WINDOWED = 3  # anchors of the relevance map that windows are laid round
SHARPNESS = 2.0  # exponent of a region's expected overlap in its probability
# Median of three numbers, in standard deviations among other texts, each the highest of a few dozen regions. Chosen
# on three CLIPs: 2.5 misses 0, 2 and 12 % of what is there and tells 88, 87 and 67 % of what is not (shapes, things
# with a conv CLIP and with a weaker transformer; 24 to 56 scenes each). A wrong "nothing is there" bars the way.
PRESENT = 2.5


@dataclass(frozen=True)
class RegionProposals:
    """Candidate regions of one picture, best first.

    masks of N regions on a grid over the whole picture; log_evidence [N], a log-softmax over them, in
    nats; relevance [1, 1, h, w] in 0..1,
    where in the picture the caption is; whether anything answers to the caption, and the number that
    decided, against `PRESENT`.
    """

    masks: list[Tensor]
    log_evidence: Tensor
    relevance: Tensor
    present: bool
    presence: float


class PictureEvidence:
    """An encoded picture and what is asked of it."""

    def __init__(self, encoded: EncodedPicture, caption: str, scorer: ClipScorer) -> None:
        self.encoded, self.caption, self.scorer = encoded, caption, scorer
        self.picture, self.features = encoded.small, encoded.features

    @property
    def grid(self) -> tuple[int, int]:
        """DINO's (rows, columns)."""
        rows, columns = self.features.features.shape[-2:]
        return int(rows), int(columns)

    @property
    def cells_a_pixel(self) -> Tensor:
        """What boxes in pixels of the picture are multiplied by to be in cells of DINO's grid: [4]."""
        rows, columns = self.grid
        height, width = self.picture.shape[-2:]
        return torch.tensor([columns / width, rows / height] * 2)


def propose_regions(evidence: PictureEvidence, settings: FindSettings, prior: Tensor | None = None) -> RegionProposals:
    """At most MOST regions; with a prior [1, 1, h, w] they lie where it is white."""
    scorer, picture = evidence.scorer, evidence.picture
    white = None if prior is None else Prior(prior)
    if is_ground(evidence.caption):
        masks, score, relevance = empty_places(evidence.features, evidence.cells_a_pixel, white, _most(settings))
        return RegionProposals(_cut(masks, evidence, white), score.log_softmax(0), relevance, True, float("nan"))

    # 1. Where is the caption?
    caption, others = scorer.encode_text(evidence.caption).float(), rivals(scorer)
    features = evidence.features.features.squeeze(0)
    cells = centred_cells(features.cpu())
    attention = evidence.features.attention.squeeze(0).float().cpu()
    read = relevance_maps(evidence.encoded.views, features, evidence.picture.shape, caption, others)
    seen, outstanding = (attention[None], None) if read is None else read
    seen = shared_by_likeness(seen, cells)
    values = seen.mean(dim=0)

    # 2. What may be a region there?
    masks = _candidates(seen, attention, cells, evidence, settings, white)
    first = _first(_judged(masks, seen, cells))
    fitted = [fitted_mask(masks[i], cells) for i in first.topk(min(FITTED, len(first))).indices.tolist()]
    masks = _distinct([*masks, *(mask for mask in fitted if mask is not None)], evidence, settings, white)
    boxes = boxes_round(masks)
    maps = _judged(masks, seen, cells)
    first = _first(maps)
    pixels = boxes / evidence.cells_a_pixel
    pixels = pixels if white is None else white.within(pixels)

    # 3. CLIP looks close at the best of them; the rest are as good as the one they overlap most
    asked = nms(boxes, first, SAME)[:ASKED]
    crops = crop_evidence(scorer, picture, pixels[asked], caption, others)
    overlap, which = box_iou(boxes, boxes[asked]).max(dim=1)
    crop, blur = ((standardised(said)[which] * overlap) for said in (crops.crop, crops.blur))
    score = first + crop + blur  # five deviations, each of weight one

    # 4. The region that is expected to overlap most with what is meant
    expected = box_iou(boxes, boxes) @ score.softmax(0)
    kept = nms(boxes, expected, DISTINCT)[:MOST]
    # the places were asked all over the picture, and within a prior that is no answer
    presence = _presence(crops, outstanding if white is None else None)
    return RegionProposals(
        _cut([masks[i] for i in kept.tolist()], evidence, white),
        (SHARPNESS * expected[kept].clamp(min=1e-6).log()).log_softmax(0),
        _zero_to_one(values),
        presence >= PRESENT,
        presence,
    )


def _candidates(
    seen: Tensor,
    attention: Tensor,
    cells: Tensor,
    evidence: PictureEvidence,
    settings: FindSettings,
    white: Prior | None,
) -> list[Mask]:
    """Masks of all kinds, each box once: round the anchors of DINO's attention and of the map."""
    values, grid = seen.mean(dim=0), evidence.grid
    count = min(settings.point_number, values.numel())
    peaks, salient = (
        [(int(row), int(column)) for row, column in pick_anchors(each, count, ANCHOR_DISTANCE)]
        for each in (_within(values, white, evidence), _within(attention, white, evidence))
    )
    levels = [mask for each in seen for mask in level_masks(each)]
    masks = [*similarity_masks(cells, [*peaks, *salient]), *levels, *window_masks(peaks[:WINDOWED], grid)]
    if white is not None:
        masks.append(white.own_mask(evidence.cells_a_pixel, grid))
    return _distinct(masks, evidence, settings, white)


def _within(values: Tensor, white: Prior | None, evidence: PictureEvidence) -> Tensor:
    """The map with nothing to be found outside a prior's own box."""
    if white is None:
        return values
    x0, y0, x1, y1 = (white.bounds * evidence.cells_a_pixel).tolist()
    inside = torch.zeros_like(values, dtype=torch.bool)
    inside[int(y0) : max(int(y0) + 1, round(y1)), int(x0) : max(int(x0) + 1, round(x1))] = True
    return values.masked_fill(~inside, -torch.inf)


def _distinct(masks: list[Mask], evidence: PictureEvidence, settings: FindSettings, white: Prior | None) -> list[Mask]:
    """The masks of a size that may be, each box once; those within a prior where there is one."""
    kept = of_size(masks, LEAST_SHARE, _most(settings))
    if white is None:
        return kept
    inside = [kept[i] for i in white.keep(boxes_round(kept) / evidence.cells_a_pixel).tolist()]
    # a small area, or an odd one, may hold none: then it is the region itself
    return inside or [white.own_mask(evidence.cells_a_pixel, evidence.grid)]


def _most(settings: FindSettings) -> float:
    """Of the picture that the largest region may cover."""
    return ((settings.max_window_size + 1) / WHOLE) ** 2


def _first(maps: MapEvidence) -> Tensor:
    """What the maps say of each region: the sum of three deviations, each of weight one."""
    return standardised(maps.ring) + standardised(maps.rest) + standardised(maps.apart)


def _presence(crops: CropEvidence, outstanding: float | None) -> float:
    """How far the caption stands out among other texts where it does most: the middle one of what the
    crops, the blurred windows and the places say, so that no single one decides."""
    said = [float(crops.crop_spread.max()), float(crops.blur_spread.max())]
    return sum(said) / 2 if outstanding is None else sorted([*said, outstanding])[1]


def _judged(masks: list[Mask], seen: Tensor, cells: Tensor) -> MapEvidence:
    """What the maps [Z, h, w] say of each mask, each at the zoom that suits its size."""
    stacked = torch.from_numpy(np.stack(masks)).float()
    weights = zoom_weights(stacked.mean(dim=(1, 2))) if len(seen) > 1 else None
    return map_evidence(stacked, seen, cells, weights)


def _cut(masks: list[Mask], evidence: PictureEvidence, white: Prior | None) -> list[Tensor]:
    """The masks as they are or, with a prior, in the picture's own pixels and nothing outside the prior's box."""
    if white is None:
        return [torch.from_numpy(mask) for mask in masks]
    height, width = evidence.picture.shape[-2:]
    x0, y0, x1, y1 = white.bounds.long().tolist()
    cut = torch.zeros(len(masks), height, width, dtype=torch.bool)
    for own, mask in zip(cut, masks, strict=True):
        fine = F.interpolate(torch.from_numpy(mask)[None, None].float(), (height, width), mode="nearest")
        own[y0:y1, x0:x1] = fine[0, 0, y0:y1, x0:x1] > 0.5
        if not bool(own.any()):
            own[y0:y1, x0:x1] = True
    return list(cut)


def _zero_to_one(values: Tensor) -> Tensor:
    values = values - values.min()
    return (values / values.max().clamp(min=1e-8))[None, None]
