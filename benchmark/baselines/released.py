"""The released code of the method, with what its bugs come to."""

from __future__ import annotations

import torch
from torch import Tensor

from region_core.encoders import ClipScorer

from ..painting import Method, Outcome, Setup, paint, region_of
from ..worlds.task import Task

POINTS, ROUNDS = 9, 11  # ten rounds of training, and a last one whose edits alone are ranked
NEAREST = 3  # the answer is one of the few edits that please the text most


def released_anchors(attention: Tensor, count: int, largest: int) -> Tensor:
    """[count, 2] points (x, y) in cells of attention [h, w], as the released code has them.

    The best attended cells that lie `largest` cells from every border, without regard to their
    distance; where too few are left, the best attended of all. Their (row, column) is read as (x, y).
    """
    rows, columns = attention.shape
    order = attention.flatten().argsort(descending=True, stable=True)
    points = torch.stack([order // columns, order % columns], dim=1).cpu()
    limit = torch.tensor([rows, columns]) - 1
    inner = points[((points >= largest) & (points + largest <= limit)).all(dim=1)][:count]
    return torch.cat([inner, points[: count - len(inner)]])


def released_boxes(points: Tensor, half_sides: Tensor, grid: tuple[int, ...], height: int, width: int) -> Tensor:
    """Boxes [N, 4] in pixels: points [N, 2] less and plus half_sides [N], cells of a grid (rows, columns)."""
    reach = half_sides[:, None].float()
    cells = torch.cat([points - reach, points + reach], dim=1)
    rows, columns = grid
    cells = torch.minimum(cells.clamp(min=0), torch.tensor([columns - 1, rows - 1] * 2))
    return cells * torch.tensor([width / columns, height / rows] * 2)


def released(largest: int = 15) -> Method:
    """The row `released`: 99 edits from anchors and sizes that never learn, the last 9 ranked.

    No gradient reaches its generator, so a size is drawn evenly from half sides 4, 6, 8, ... cells;
    every edit has its own noise. The 90 edits of the rounds before the last are thrown away and
    change nothing: only the last 9 are painted, and the price is counted eleven times.
    """

    def run(task: Task, setup: Setup) -> Outcome:
        source, seed = task.picture, setup.seed
        attention = setup.models.dino(source).attention[0]
        points = released_anchors(attention, POINTS, largest)
        generator = torch.Generator().manual_seed(seed)
        sizes = torch.arange(4, largest + 1, 2)
        halves = sizes[torch.randint(len(sizes), (POINTS,), generator=generator)]
        boxes = released_boxes(points, halves, tuple(attention.shape), *task.size)
        regions = [region_of(task, box) for box in boxes]
        edits = paint(task, regions, setup, seeds=range(seed, seed + len(regions)))
        best = _chosen(edits, source, task.prompt, setup.models.scorer)
        return Outcome(edits[best], regions[best], times=ROUNDS)

    return run


def _chosen(edits: Tensor, source: Tensor, prompt: str, scorer: ClipScorer) -> int:
    """The best of 2 x text + 1 x image similarity (each a softmax over the edits [N, 3, H, W])
    among those nearest the text.
    """
    embeddings = scorer.encode_images(edits)
    text = (embeddings @ scorer.encode_text(prompt).T)[:, 0].softmax(0)
    image = (embeddings @ scorer.encode_images(source).T)[:, 0].softmax(0)
    near = text.topk(min(NEAREST, len(text))).indices
    return int(near[(2 * text + image)[near].argmax()])
