"""The judge: reads the colour and the shape off a box of a picture. Never used by the search."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from region_core.demo.scenes import COLORS, SHAPES

CROP = 48
COLOR_WORDS: tuple[str | None, ...] = (*COLORS, None)
SHAPE_WORDS: tuple[str | None, ...] = (*SHAPES, None)
WEIGHTS = Path(__file__).parent / "weights" / "judge" / "judge.safetensors"


class Judge(nn.Module):
    """Crops [N, 3, 48, 48] in 0..1 to colour logits [N, 9] and shape logits [N, 7].

    The last logit of each says that no whole object fills the box.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 16), (16, 32), (32, 48), (48, 64)):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after),
                       nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.hidden = nn.Linear(64 * 9, 96)
        self.color = nn.Linear(96, len(COLOR_WORDS))
        self.shape = nn.Linear(96, len(SHAPE_WORDS))

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See the class."""
        x = F.relu(self.hidden(self.features(crops * 2 - 1).flatten(1)))
        return self.color(x), self.shape(x)

    @torch.no_grad()
    def read(self, image: torch.Tensor, boxes: torch.Tensor,
             ) -> list[tuple[str | None, str | None]]:
        """(colour, shape) in each box [N, 4] (x0, y0, x1, y1, pixels) of an image [3, H, W], 0..1.

        None where the box holds no such thing.
        """
        if len(boxes) == 0:
            return []
        device = self.color.weight.device
        color, shape = self(cut_boxes(image.to(device), boxes.to(device)))
        return [(COLOR_WORDS[c], SHAPE_WORDS[s]) for c, s in
                zip(color.argmax(dim=1).tolist(), shape.argmax(dim=1).tolist(), strict=True)]


def cut_boxes(image: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Boxes [N, 4] of an image [3, H, W], rounded to pixels, as crops [N, 3, 48, 48]."""
    height, width = image.shape[-2:]
    crops = []
    for box in boxes.tolist():
        x0, y0 = (min(max(round(v), 0), limit - 1) for v, limit in
                  zip(box[:2], (width, height), strict=True))
        x1, y1 = (min(max(round(v), low + 1), limit) for v, low, limit in
                  zip(box[2:], (x0, y0), (width, height), strict=True))
        crops.append(F.interpolate(image[None, :, y0:y1, x0:x1].float(), size=(CROP, CROP),
                                   mode="bilinear", align_corners=False, antialias=True)[0])
    return torch.stack(crops)


def load_judge(device: str | torch.device = "cpu", weights: Path = WEIGHTS) -> Judge:
    """The trained judge, ready to read."""
    judge = Judge()
    judge.load_state_dict({k: v.float() if v.is_floating_point() else v
                           for k, v in load_file(weights).items()})
    return judge.to(device).eval().requires_grad_(False)
