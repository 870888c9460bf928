"""Looking with CLIP before looking with diffusion: where in the picture is the caption?

A box is painted over with the mean colour round it, and CLIP is asked how much the caption's
similarity falls (`drop`); beside it CLIP reads the box alone (`crop`). Two small encodings a box
and no sampling. It says nothing about things that are not there yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torchvision.ops import roi_align

from .boxes import area, clamp_boxes, iou
from .encoders import ClipScorer


@dataclass(frozen=True)
class Evidence:
    """What CLIP says of N boxes; all float [N].

    `drop`: cosine lost when the box is covered. `crop`: cosine of the box alone with the caption.
    `total`: both in units of the picture's own spread, less an area term; higher is better.
    """

    drop: torch.Tensor
    crop: torch.Tensor
    total: torch.Tensor


class Screen:
    """The evidence for boxes of one source picture [1, 3, H, W] and one caption."""

    def __init__(self, scorer: ClipScorer, source: torch.Tensor, caption: str, *,
                 area_weight: float = 0.5) -> None:
        self.scorer = scorer
        self.source = source
        self.area_weight = area_weight
        self.text = scorer.encode_text(caption)
        self.height, self.width = source.shape[-2:]
        side = scorer.image_size
        whole = torch.tensor([[0.0, 0.0, self.width, self.height]], device=source.device)
        self.small = self._cut(whole, side)
        self.base = float(self._similarity(self.small))
        self.encodings = 1

    def _cut(self, boxes: torch.Tensor, side: int) -> torch.Tensor:
        """Boxes of the source as squares [N, 3, side, side], averaged down where they are larger."""
        rois = torch.cat([boxes.new_zeros(len(boxes), 1), boxes], dim=1).to(self.source)
        return roi_align(self.source, rois, side, sampling_ratio=-1, aligned=True)

    def _similarity(self, images: torch.Tensor) -> torch.Tensor:
        return (self.scorer.encode_images(images) @ self.text.T).squeeze(1).float().cpu()

    def covered(self, boxes: torch.Tensor) -> torch.Tensor:
        """The small source [N, 3, s, s] with each box filled by the mean of a ring round it."""
        side = self.small.shape[-1]
        scale = boxes.new_tensor([side / self.width, side / self.height] * 2)
        inner = (boxes * scale).round()
        margin = (inner[:, 2:] - inner[:, :2]).mean(dim=1, keepdim=True).mul(0.15).clamp(min=2)
        outer = torch.cat([inner[:, :2] - margin, inner[:, 2:] + margin], dim=1).round()
        line = torch.arange(side, device=boxes.device)

        def inside(b: torch.Tensor) -> torch.Tensor:
            x = (line >= b[:, None, 0]) & (line < b[:, None, 2])
            y = (line >= b[:, None, 1]) & (line < b[:, None, 3])
            return (y[:, None, :, None] & x[:, None, None, :]).to(self.small)

        hole = inside(inner)
        ring = inside(outer) - hole
        count = ring.sum(dim=(2, 3), keepdim=True)
        colour = (self.small * ring).sum(dim=(2, 3), keepdim=True) / count.clamp(min=1)
        colour = torch.where(count > 0, colour, self.small.mean(dim=(2, 3), keepdim=True))
        return torch.where(hole > 0, colour, self.small)

    @torch.inference_mode()
    def evidence(self, boxes: torch.Tensor) -> Evidence:
        """What CLIP says of boxes [N, 4] (xyxy pixels of the source)."""
        boxes = boxes.to(self.source.device)
        drop = self.base - self._similarity(self.covered(boxes))
        wide = _widened(boxes, 1.15, self.height, self.width)
        crop = self._similarity(self._cut(wide, self.scorer.image_size))
        self.encodings += 2 * len(boxes)
        share = area(boxes).cpu() / (self.height * self.width)
        total = drop + (crop - self.base) - self.area_weight * share
        return Evidence(drop, crop, total)

    @torch.inference_mode()
    def refine(self, boxes: torch.Tensor, steps: tuple[float, ...]) -> torch.Tensor:
        """Trim and stretch boxes [N, 4], an edge at a time, while the evidence grows.

        `steps` are edge moves in pixels, coarse to fine; each is tried until nothing improves
        (six rounds at most). The boxes need not stay square.
        """
        best = boxes.clone()
        value = self.evidence(best).total
        for step in steps:
            moves = torch.tensor(_MOVES, dtype=boxes.dtype) * step
            for _ in range(6):
                tried = clamp_boxes((best[:, None] + moves).reshape(-1, 4), self.height, self.width)
                sides = tried[:, 2:] - tried[:, :2]
                legal = (sides >= 2 * step).all(dim=1)
                scores = self.evidence(tried).total.masked_fill(~legal, -torch.inf)
                top, which = scores.view(len(best), -1).max(dim=1)
                better = top > value + 1e-4
                if not better.any():
                    break
                chosen = tried.view(len(best), -1, 4)[torch.arange(len(best)), which]
                best = torch.where(better[:, None], chosen, best)
                value = torch.where(better, top, value)
        return best


def _widened(boxes: torch.Tensor, factor: float, height: int, width: int) -> torch.Tensor:
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * factor
    return clamp_boxes(torch.cat([centre - half, centre + half], dim=1), height, width)


# one edge out or in, and the four shifts of the whole box
_MOVES = [[-1, 0, 0, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 1, 0, 0],
          [0, 0, -1, 0], [0, 0, 1, 0], [0, 0, 0, -1], [0, 0, 0, 1],
          [-1, 0, -1, 0], [1, 0, 1, 0], [0, -1, 0, -1], [0, 1, 0, 1]]


def distinct(boxes: torch.Tensor, scores: torch.Tensor, limit: float = 0.8) -> torch.Tensor:
    """Indices of boxes, best score first, without those that overlap a better one by IoU > limit."""
    kept: list[int] = []
    order = scores.argsort(descending=True, stable=True).tolist()
    overlap = iou(boxes, boxes)
    for index in order:
        if all(overlap[index, k] <= limit for k in kept):
            kept.append(index)
    return torch.tensor(kept, dtype=torch.long)
