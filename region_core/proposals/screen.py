"""Looking with CLIP before looking with diffusion: where in the picture is the caption?

A box is painted over with the mean colour round it, and CLIP is asked how much the caption's
similarity falls; then all but the box is painted over, and CLIP is asked how much of the caption is
left. Two small encodings a box and no sampling.

Of a thing that is not there it can say one thing: that nothing in the picture answers to the
caption. Something new is asked for with the caption "background": then the boxes are preferred that
hide nothing when they are covered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torchvision.ops import box_area, nms, roi_align

from ..boxes import clamp_boxes
from ..encoders import ClipScorer

GROUND_AREA = 0.6  # weight of a box's share of the picture where something new is asked for
AT_ONCE = 64  # boxes whose coverings are held in memory together
OnRound = Callable[[torch.Tensor, torch.Tensor], None]
GROUND = ("background", "the background", "a background")


@dataclass(frozen=True)
class Evidence:
    """What CLIP says of N boxes; all float [N].

    `drop`: cosine with the caption lost when the box is covered; it saturates once the object is.
    `alone`: cosine with the caption when all but the box is covered. `total`: drop plus
    `alone_weight` times alone, less `aside_weight` times how far covering the box moves the
    embedding in other directions (other things were under it), less `area_weight` times its share
    of the picture, so that the tightest cover wins. Where the caption is the ground, total is how
    little the embedding moves, plus an area term: the larger of two empty places is the better.
    """

    drop: torch.Tensor
    alone: torch.Tensor
    total: torch.Tensor


class Screen:
    """The evidence for boxes of one source picture [1, 3, H, W] and one caption."""

    def __init__(self, scorer: ClipScorer, source: torch.Tensor, caption: str, *,
                 area_weight: float = 1.0, aside_weight: float = 0.5,
                 alone_weight: float = 1.0) -> None:
        self.scorer = scorer
        self.source = source
        self.area_weight, self.aside_weight = area_weight, aside_weight
        self.alone_weight = alone_weight
        self.for_ground = " ".join(caption.lower().split()) in GROUND
        self.text = scorer.encode_text(caption)
        self.height, self.width = source.shape[-2:]
        side = scorer.image_size
        whole = torch.tensor([[0.0, 0.0, self.width, self.height]], device=source.device)
        self.small = self._cut(whole, side)
        self.embedding = scorer.encode_images(self.small)
        # the median is the ground's colour more often than the mean is
        self.ground = self.small.flatten(2).median(dim=-1).values[..., None, None]
        self.encodings = 1

    def _cut(self, boxes: torch.Tensor, side: int) -> torch.Tensor:
        """Boxes of the source as squares [N, 3, side, side], averaged down where they are larger."""
        rois = torch.cat([boxes.new_zeros(len(boxes), 1), boxes], dim=1).to(self.source)
        return roi_align(self.source, rois, side, sampling_ratio=-1, aligned=True)

    def _inside(self, boxes: torch.Tensor) -> torch.Tensor:
        """Masks [N, 1, s, s] of boxes [N, 4] in pixels of the small source."""
        line = torch.arange(self.small.shape[-1], device=boxes.device)
        x = (line >= boxes[:, None, 0]) & (line < boxes[:, None, 2])
        y = (line >= boxes[:, None, 1]) & (line < boxes[:, None, 3])
        return y[:, None, :, None] & x[:, None, None, :]

    def covered(self, boxes: torch.Tensor) -> torch.Tensor:
        """The small source with each box filled by the mean of a ring round it, then with all but the
        box filled by the ground's colour: [2N, 3, s, s]."""
        side = self.small.shape[-1]
        scale = boxes.new_tensor([side / self.width, side / self.height] * 2)
        inner = (boxes * scale).round()
        margin = (inner[:, 2:] - inner[:, :2]).mean(dim=1, keepdim=True).mul(0.15).clamp(min=2)
        outer = torch.cat([inner[:, :2] - margin, inner[:, 2:] + margin], dim=1).round()
        hole = self._inside(inner)
        ring = (self._inside(outer) & ~hole).to(self.small)
        count = ring.sum(dim=(2, 3), keepdim=True)
        colour = torch.einsum("nhw,chw->nc", ring[:, 0], self.small[0])[..., None, None]
        colour = torch.where(count > 0, colour / count.clamp(min=1),
                             self.small.mean(dim=(2, 3), keepdim=True))
        both = self.small.new_empty(2 * len(boxes), *self.small.shape[1:])
        torch.where(hole, colour, self.small, out=both[:len(boxes)])
        torch.where(hole, self.small, self.ground, out=both[len(boxes):])
        return both

    @torch.inference_mode()
    def evidence(self, boxes: torch.Tensor) -> Evidence:
        """What CLIP says of boxes [N, 4] (xyxy pixels of the source)."""
        parts = [self._evidence(some) for some in boxes.to(self.source.device).split(AT_ONCE)]
        return Evidence(*(torch.cat([getattr(part, name) for part in parts])
                          for name in ("drop", "alone", "total")))

    def _evidence(self, boxes: torch.Tensor) -> Evidence:
        seen = self.scorer.encode_images(self.covered(boxes))
        self.encodings += len(seen)
        change, kept = seen[:len(boxes)] - self.embedding, seen[len(boxes):]
        drop = -(change @ self.text.T)[:, 0]
        alone = (kept @ self.text.T)[:, 0]
        # what covering the box changes beside the caption: other things were under it
        aside = (change.square().sum(dim=1) - drop.square()).clamp(min=0).sqrt()
        share = box_area(boxes).to(drop) / (self.height * self.width)
        if self.for_ground:
            total = GROUND_AREA * share - change.norm(dim=1)
            return Evidence(drop.float().cpu(), alone.float().cpu(), total.float().cpu())
        total = (drop + self.alone_weight * alone - self.aside_weight * aside
                 - self.area_weight * share)
        return Evidence(drop.float().cpu(), alone.float().cpu(), total.float().cpu())

    @torch.inference_mode()
    def refine(self, boxes: torch.Tensor, steps: tuple[float, ...],
               on_round: OnRound | None = None) -> torch.Tensor:
        """Trim and stretch boxes [N, 4] while the evidence grows; they need not stay square.

        `steps` are edge moves in pixels, coarse to fine, each tried twice: every edge alone, out
        and in, then all moves that helped together. 18 coverings a box and step. `on_round` is told
        the boxes and their evidence [N] after each try that helped.
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
                if on_round is not None:
                    on_round(best, value)
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
    return nms(boxes, scores, limit)
