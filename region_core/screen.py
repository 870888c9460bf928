"""Looking with CLIP before looking with diffusion: where in the picture is the caption?

A box is painted over with the mean colour round it, and CLIP is asked how much the caption's
similarity falls. One small encoding a box and no sampling. It says nothing about things that are
not there yet.
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

    `drop`: cosine lost when the box is covered; it saturates once the object is. `total`: that,
    less `aside_weight` times how far the embedding moves in other directions (the box covers other
    things too), less `area_weight` times its share of the picture, so that the tightest cover wins.
    """

    drop: torch.Tensor
    total: torch.Tensor


class Screen:
    """The evidence for boxes of one source picture [1, 3, H, W] and one caption."""

    def __init__(self, scorer: ClipScorer, source: torch.Tensor, caption: str, *,
                 area_weight: float = 0.3,
                 aside_weight: float = 0.7) -> None:
        self.scorer = scorer
        self.source = source
        self.area_weight, self.aside_weight = area_weight, aside_weight
        self.text = scorer.encode_text(caption)
        self.height, self.width = source.shape[-2:]
        side = scorer.image_size
        whole = torch.tensor([[0.0, 0.0, self.width, self.height]], device=source.device)
        self.small = self._cut(whole, side)
        self.embedding = scorer.encode_images(self.small)
        self.encodings = 1

    def _cut(self, boxes: torch.Tensor, side: int) -> torch.Tensor:
        """Boxes of the source as squares [N, 3, side, side], averaged down where they are larger."""
        rois = torch.cat([boxes.new_zeros(len(boxes), 1), boxes], dim=1).to(self.source)
        return roi_align(self.source, rois, side, sampling_ratio=-1, aligned=True)

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
        change = self.scorer.encode_images(self.covered(boxes)) - self.embedding
        self.encodings += len(boxes)
        drop = -(change @ self.text.T)[:, 0]
        # what covering the box changes beside the caption: other things were under it
        aside = (change.square().sum(dim=1) - drop.square()).clamp(min=0).sqrt()
        share = area(boxes).cpu() / (self.height * self.width)
        drop, aside = drop.float().cpu(), aside.float().cpu()
        return Evidence(drop, drop - self.aside_weight * aside - self.area_weight * share)

    @torch.inference_mode()
    def refine(self, boxes: torch.Tensor, steps: tuple[float, ...]) -> torch.Tensor:
        """Trim and stretch boxes [N, 4] while the evidence grows; they need not stay square.

        `steps` are edge moves in pixels, coarse to fine, each tried twice: every edge alone, out
        and in, then all moves that helped together. 18 coverings a box and step.
        """
        best = boxes.clone()
        value = self.evidence(best).total
        rows = torch.arange(len(best))
        for step in steps:
            for _ in range(2):
                moves = torch.tensor(_MOVES, dtype=boxes.dtype) * step
                scores = self._tried(best[:, None] + moves, step)  # [N, 8]: each edge in, out
                gains = scores - value[:, None]
                pairs = gains.view(len(best), 4, 2)
                gain, way = pairs.max(dim=2)
                signed = torch.where(way == 0, -step, step) * (gain > 1e-4)
                together = best + signed
                single = best + moves[gains.argmax(dim=1)]
                both = torch.stack([together, single], dim=1)
                joint = torch.stack([self._tried(together[:, None], step)[:, 0],
                                     scores.max(dim=1).values], dim=1)
                top, which = joint.max(dim=1)
                better = top > value + 1e-4
                if not better.any():
                    break
                chosen = clamp_boxes(both[rows, which], self.height, self.width)
                best = torch.where(better[:, None], chosen, best)
                value = torch.where(better, top, value)
        return best

    def _tried(self, boxes: torch.Tensor, step: float) -> torch.Tensor:
        """Evidence [N, M] of boxes [N, M, 4], -inf where one has become too thin."""
        flat = boxes.reshape(-1, 4)
        limits = flat.new_tensor([self.width, self.height] * 2)
        flat = torch.minimum(flat.clamp(min=0), limits)
        thin = (flat[:, 2:] - flat[:, :2] < 2 * step).any(dim=1)
        flat = torch.where(thin[:, None], torch.cat([limits[:2] * 0, limits[2:]]), flat)
        return self.evidence(flat).total.masked_fill(thin, -torch.inf).view(boxes.shape[:2])


# each edge (left, top, right, bottom) one step down the axis and one up
_MOVES = [[-1, 0, 0, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 1, 0, 0],
          [0, 0, -1, 0], [0, 0, 1, 0], [0, 0, 0, -1], [0, 0, 0, 1]]


def lattice(height: int, width: int) -> torch.Tensor:
    """Boxes [85, 4] all over a picture, at a quarter and three eighths of its sides.

    DINO's anchors can all lie on one large object; what the caption means may be another.
    """
    rows = []
    for side in (0.25, 0.375):
        for top in range(int((1 - side) * 8) + 1):
            for left in range(int((1 - side) * 8) + 1):
                rows.append([left / 8, top / 8, left / 8 + side, top / 8 + side])
    return torch.tensor(rows) * torch.tensor([width, height] * 2)


def distinct(boxes: torch.Tensor, scores: torch.Tensor, limit: float = 0.8) -> torch.Tensor:
    """Indices of boxes, best score first, without those that overlap a better one by IoU > limit."""
    kept: list[int] = []
    order = scores.argsort(descending=True, stable=True).tolist()
    overlap = iou(boxes, boxes)
    for index in order:
        if all(overlap[index, k] <= limit for k in kept):
            kept.append(index)
    return torch.tensor(kept, dtype=torch.long)
