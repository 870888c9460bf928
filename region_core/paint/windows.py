"""The way from a picture to an inpainting model's native size and back.

A model paints squares of one size. Each candidate box gets a square *window* of the picture round
it, brought to that native size; all work on a candidate happens there, so a picture of 4000 x 3000
costs what one of 512 x 512 does. The full picture is put together only for edits that are kept.

A window is long xyxy in source pixels and may reach past the picture on its shorter axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..boxes import pixel_boxes
from ..resize import resize


def window_for(box: Sequence[float] | Tensor, height: int, width: int, native: int) -> tuple[int, int, int, int]:
    """The square window round one box: side min(max(2 * box side, native), longer side of picture).

    It is shifted to lie inside the picture; where the picture is shorter than the window, the
    picture sits in its middle. The box is always inside.
    """
    x0, y0, x1, y1 = (float(v) for v in box)
    longest = math.ceil(2 * max(x1 - x0, y1 - y0))
    side = min(max(longest, native), max(height, width))

    def start(low: float, high: float, length: int) -> int:
        if side >= length:
            return -((side - length) // 2)
        return min(max(round((low + high - side) / 2), 0), length - side)

    left, top = start(x0, x1, width), start(y0, y1, height)
    return left, top, left + side, top + side


def windows_for(boxes: Tensor, height: int, width: int, native: int) -> Tensor:
    """`window_for` of every box of [N,4]: long [N,4]. Boxes are cut at the border first."""
    cut = pixel_boxes(boxes, height, width)
    rows = [window_for(box, height, width, native) for box in cut.tolist()]
    return torch.tensor(rows, dtype=torch.long, device=boxes.device).reshape(-1, 4)


def crop(source: Tensor, windows: Tensor, native: int) -> Tensor:
    """The windows [N,4] of source [1,C,H,W] at native size: [N,C,native,native], edges replicated.

    A window that has the native size already is copied as it is.
    """
    rows = [tuple(row) for row in windows.tolist()]
    # Large boxes share a window (the whole picture): each is cut and shrunk once.
    cuts = {row: _cut(source, row, native) for row in dict.fromkeys(rows)}
    if not rows:
        return source.new_zeros(0, source.shape[1], native, native)
    return torch.cat([cuts[row] for row in rows])


def box_masks(boxes: Tensor, windows: Tensor, height: int, width: int, native: int) -> Tensor:
    """Masks of boxes [N,4] as the model needs them: hard 0/1 at [N,1,native,native].

    A native pixel is masked where any pixel of the box falls in it; padding never is.
    """
    cells = pixel_boxes(boxes, height, width)
    corner, side = windows[:, :2], windows[:, 2:3] - windows[:, 0:1]
    low = (cells[:, :2] - corner) * native // side
    high = -(-(cells[:, 2:] - corner) * native // side)  # rounded up
    at = torch.arange(native, device=boxes.device)
    across = (at >= low[:, 0:1]) & (at < high[:, 0:1])
    down = (at >= low[:, 1:2]) & (at < high[:, 1:2])
    return (down[:, None, :, None] & across[:, None, None, :]).float()


def composite(source: Tensor, edit: Tensor, mask: Tensor) -> Tensor:
    """mask * edit + (1 - mask) * source [N,C,H,W]; exactly source where mask [N,1,H,W] is 0."""
    # A choice, not arithmetic: 0 * edit + 1 * source is only almost the source.
    return torch.where(mask == 0, source, torch.lerp(source, edit, mask))


def stitch(source: Tensor, edits: Tensor, windows: Tensor, masks: Tensor) -> Tensor:
    """Edits [N,C,s,s] at native size put back into source [1,C,H,W] through masks: [N,C,H,W].

    Where a mask [N,1,H,W] is 0 the result equals the source bit for bit. ValueError when a mask
    reaches outside its window, where there is no edit to show.
    """
    height, width = source.shape[-2:]
    out = source.repeat(edits.shape[0], 1, 1, 1)
    for n, window in enumerate(windows.tolist()):
        inside, pads = _inside(window, height, width)
        mask = masks[(slice(n, n + 1), slice(None), *inside)].to(source)
        if int(torch.count_nonzero(mask)) != int(torch.count_nonzero(masks[n])):
            raise ValueError(f"mask {n} reaches outside its window {window}: make it for this box")
        left, right, top, bottom = pads
        side = window[2] - window[0]
        patch = _resize(edits[n : n + 1].to(source), side, side)
        patch = patch[..., top : side - bottom, left : side - right]
        view = out[(slice(n, n + 1), slice(None), *inside)]
        view.copy_(composite(view, patch, mask))
    return out


def stitch_at(small: Tensor, edits: Tensor, windows: Tensor, boxes: Tensor, height: int, width: int) -> Tensor:
    """The edits in a reduced copy of the picture, for scoring: [N,C,h,w], no full picture made.

    small [1,C,h,w] is the source of height x width at any scale; boxes [N,4] in source pixels.
    Pixels are averaged by area; those that no box touches equal small.
    """
    # In double precision, so that equal sizes give exact ones and zeros; not every device has it.
    cells, frame = pixel_boxes(boxes, height, width).cpu().double(), windows.cpu().double()
    reads, covers = [], []
    for axis, (count, length) in enumerate([(small.shape[-1], width), (small.shape[-2], height)]):
        edge = torch.linspace(0, length, count + 1, dtype=torch.float64)
        edge = edge.expand(len(boxes), -1)  # the reduced pixels' borders in source pixels
        cover = _overlap(edge, cells[:, [axis, axis + 2]]) * (count / length)
        side = frame[:, axis + 2, None] - frame[:, axis, None]
        steps = torch.linspace(0, 1, edits.shape[-1] + 1, dtype=torch.float64)
        read = _overlap(edge, frame[:, axis, None] + side * steps)
        reads.append((read / read.sum(-1, keepdim=True).clamp(min=1e-9)).to(small))
        covers.append(cover[..., 0].to(small))
    patch = reads[1][:, None] @ edits.to(small) @ reads[0][:, None].mT
    return composite(small, patch, (covers[1][:, :, None] * covers[0][:, None, :])[:, None])


def _overlap(a: Tensor, b: Tensor) -> Tensor:
    """Lengths [N,P,Q] shared by the intervals between borders a [N,P+1] and b [N,Q+1]."""
    low = torch.maximum(a[:, :-1, None], b[:, None, :-1])
    return (torch.minimum(a[:, 1:, None], b[:, None, 1:]) - low).clamp(min=0)


def _inside(window: Sequence[int], height: int, width: int) -> tuple[tuple[slice, slice], tuple[int, int, int, int]]:
    """The picture's rows and columns in a window, and what is missing: left, right, top, bottom."""
    x0, y0, x1, y1 = window
    rows, columns = slice(max(y0, 0), min(y1, height)), slice(max(x0, 0), min(x1, width))
    return (rows, columns), (max(-x0, 0), max(x1 - width, 0), max(-y0, 0), max(y1 - height, 0))


def _cut(source: Tensor, window: Sequence[int], native: int) -> Tensor:
    inside, pads = _inside(window, source.shape[-2], source.shape[-1])
    part = source[(..., *inside)]
    # The axis that needs no padding is shrunk first, which spares a square of the longer side.
    columns = part.shape[-1] if pads[0] or pads[1] else native
    rows = part.shape[-2] if pads[2] or pads[3] else native
    part = _resize(part, rows, columns)
    if any(pads):
        part = F.pad(part, pads, mode="replicate")
    return _resize(part, native, native)


def _resize(image: Tensor, height: int, width: int) -> Tensor:
    """[N,C,h,w] at another size; the very same tensor where the size is right already."""
    if image.shape[-2:] == (height, width):
        return image
    return resize(image, height, width).clamp(0, 1)
