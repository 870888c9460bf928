"""The judge: reads the colour and the shape off a box of a picture, and says whether an edit succeeded.

Never used by the search.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from region_core.boxes import pixel_boxes
from region_core.demo.scenes import BACKGROUND, COLORS, SHAPES, Edit, Scene, called

CROP = 48
COLOR_WORDS: tuple[str | None, ...] = (*COLORS, None)
SHAPE_WORDS: tuple[str | None, ...] = (*SHAPES, None)
WEIGHTS = Path(__file__).parent / "weights" / "judge" / "judge.safetensors"
BARE = 0.18  # a background is bare where no 8 x 8 patch is farther than this from the truth (0..1)


class Judge(nn.Module):
    """Crops [N, 3, 48, 48] in 0..1 to colour logits [N, 9] and shape logits [N, 7].

    The last logit of each says that no whole object fills the box.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 16), (16, 32), (32, 48), (48, 64)):
            layers += [
                nn.Conv2d(before, after, 3, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        self.features = nn.Sequential(*layers)
        self.hidden = nn.Linear(64 * 9, 96)
        self.color = nn.Linear(96, len(COLOR_WORDS))
        self.shape = nn.Linear(96, len(SHAPE_WORDS))

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See the class."""
        x = F.relu(self.hidden(self.features(crops * 2 - 1).flatten(1)))
        return self.color(x), self.shape(x)

    @torch.no_grad()
    def read(self, image: torch.Tensor, boxes: torch.Tensor) -> list[tuple[str | None, str | None]]:
        """(colour, shape) in each box [N, 4] (x0, y0, x1, y1, pixels) of an image [3, H, W], 0..1.

        None where the box holds no such thing.
        """
        if len(boxes) == 0:
            return []
        device = self.color.weight.device
        color, shape = self(cut_boxes(image.to(device), boxes.to(device)))
        return [
            (COLOR_WORDS[c], SHAPE_WORDS[s])
            for c, s in zip(color.argmax(dim=1).tolist(), shape.argmax(dim=1).tolist(), strict=True)
        ]


def cut_boxes(image: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Boxes [N, 4] of an image [3, H, W], rounded to pixels, as crops [N, 3, 48, 48]."""
    height, width = image.shape[-2:]
    crops = []
    for box in boxes.tolist():
        x0, y0 = (min(max(round(v), 0), limit - 1) for v, limit in zip(box[:2], (width, height), strict=True))
        x1, y1 = (
            min(max(round(v), low + 1), limit) for v, low, limit in zip(box[2:], (x0, y0), (width, height), strict=True)
        )
        crops.append(
            F.interpolate(
                image[None, :, y0:y1, x0:x1].float(),
                size=(CROP, CROP),
                mode="bilinear",
                align_corners=False,
                antialias=True,
            )[0]
        )
    return torch.stack(crops)


def load_judge(device: str | torch.device = "cpu", weights: Path = WEIGHTS) -> Judge:
    """The trained judge, ready to read."""
    judge = Judge()
    judge.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in load_file(weights).items()})
    return judge.to(device).eval().requires_grad_(False)


def is_bare(image: torch.Tensor, scene: Scene, box: tuple[float, ...]) -> bool:
    """Whether `box` of image [3, H, W] shows the scene's background and nothing else.

    Compared in patches of 8 x 8: a sliver of an object counts, the grain of a repainting does not.
    """
    bare = torch.from_numpy(scene.background.copy()).permute(2, 0, 1).float() / 255
    x0, y0, x1, y1 = pixel_boxes(torch.tensor([box]).float(), *image.shape[-2:])[0].tolist()
    difference = (image - bare)[None, :, y0:y1, x0:x1]
    side = min(8, *difference.shape[-2:])
    patches = torch.nn.functional.avg_pool2d(difference, side, max(1, side // 2))
    return float(patches.abs().amax()) <= BARE


def succeeded(image: torch.Tensor, box: tuple[float, ...] | None, scene: Scene, edit: Edit, judge: Judge) -> bool:
    """Whether in image [3, H, W] what was asked for is where it belongs and the rest still there;
    `box` is the found one.

    The judge reads the wanted object off the true box, or, where one is added, off the found one.
    After a removal the true box must be bare and nothing readable in it. Where the caption names
    nothing in the picture the right answer is "no region".
    """
    if edit.kind == "absent":
        return box is None
    place = scene.objects[edit.target].box if edit.target is not None else box
    if place is None:
        return False
    color, shape = judge.read(image, torch.tensor([place]).float())[0]
    if edit.prompt == BACKGROUND:
        there = (shape is None or color is None) and is_bare(image, scene, place)
    else:
        there = color is not None and shape is not None and called(color, shape) == edit.prompt
    others = [o for i, o in enumerate(scene.objects) if i != edit.target]
    boxes = torch.tensor([o.box for o in others]).float().reshape(-1, 4)
    read = judge.read(image, boxes)
    return there and all(r == (o.color, o.shape) for r, o in zip(read, others, strict=True))
