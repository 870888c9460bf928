"""What the nodes share: sockets, schemas with their texts, pictures in and out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from comfy import model_management
from comfy_api.latest import io

from ..region_core.errors import InputError
from ..region_core.picture import check_layers

CATEGORY = "learnable regions"
MANY = 8  # of more pictures than these, what is drawn for people has half their size
SMALLEST, SMALL = 160, 320  # pixels of its longer side
NO_MASK = (1, 64, 64)  # so much black is what Load Image gives for a picture without a mask

Dino = io.Custom("LR_DINO")
ClipScorerSocket = io.Custom("LR_CLIP_SCORER")
Generator = io.Custom("LR_GENERATOR")
Loss = io.Custom("LR_LOSS")
Learned = io.Custom("LR_LEARNED")
RegionsSocket = io.Custom("LR_REGIONS")
ListedSocket = io.Custom("LR_LISTED")
StitchSocket = io.Custom("LR_STITCH")
BoundingBox = io.Custom("BOUNDING_BOX")  # core's own: {x, y, width, height} in pixels

_TEXTS = json.loads((Path(__file__).parents[1] / "locales/en/nodeDefs.json").read_text(encoding="utf-8"))


def schema(name: str, **fields: Any) -> io.Schema:
    """A Schema of a node of this pack. Its texts are those of `locales/en`, but for widgets of settings, which have
    their own."""
    node_id = f"LearnableRegions_{name}"
    texts = _TEXTS[node_id]
    fields = {"category": CATEGORY, "description": texts["description"], "inputs": [], **fields}
    for one in fields["inputs"]:
        one.tooltip = one.tooltip or texts["inputs"][one.id]["tooltip"]
        # a script may leave out what has a value of its own, such as a widget newer than the script;
        # a text has none
        if getattr(one, "default", None) not in (None, ""):
            one.optional = True
    for output, said in zip(fields["outputs"], texts["outputs"].values(), strict=True):
        output.tooltip = said["tooltip"]
    return io.Schema(node_id=node_id, display_name=texts["display_name"], **fields)


def check_image(image: torch.Tensor) -> None:
    """Raise InputError for an IMAGE [B,H,W,C] that is an empty batch or of another shape, and for one with a
    picture that the core would refuse."""
    if image.ndim != 4 or image.shape[-1] not in (1, 3, 4) or not len(image):
        raise InputError(
            f"the image has the shape {tuple(image.shape)}; connect an IMAGE of at "
            "least one picture with 1, 3 or 4 channels"
        )
    for picture in image:  # of many, one at a time
        check_layers(picture[None, ..., :3].movedim(-1, 1).float())  # HWC -> 1CHW


def check_same(image: torch.Tensor, name: str, made: Any) -> None:
    """Raise InputError where the value of socket `name` was made from pictures of another number or size."""
    here, (height, width) = tuple(image.shape[:3]), made.size
    if here != (len(made), height, width):
        raise InputError(
            f"the image is {here[0]} of {here[2]} x {here[1]} pixels and the {name} was "
            f"made from {len(made)} of {width} x {height}; connect the same image to both"
        )


def to_core(image: torch.Tensor) -> torch.Tensor:
    """IMAGE [1,H,W,C] (C 1, 3 or 4) to the core's [1,3,H,W]; a copy, on ComfyUI's device for what goes
    between nodes, as everything is that the core computes with. Values beyond 0..1 stay: see `picture`."""
    planes = image[..., :3].movedim(-1, 1).to(model_management.intermediate_device())
    return planes.float().expand(-1, 3, -1, -1).clone(memory_format=torch.contiguous_format)


def in_colour(image: torch.Tensor) -> torch.Tensor:
    """A copy of an IMAGE [B,H,W,C] to draw on, with 3 or 4 channels."""
    return image.expand(*image.shape[:3], 3).clone() if image.shape[-1] == 1 else image.clone()


def to_comfy(planes: torch.Tensor) -> torch.Tensor:
    """[B,3,H,W] to IMAGE [B,H,W,3] on ComfyUI's device for what goes between nodes."""
    return planes.movedim(1, -1).float().to(model_management.intermediate_device()).contiguous()


def to_prior(mask: torch.Tensor | None, count: int, height: int, width: int) -> torch.Tensor | None:
    """MASK [B,H,W] or [H,W] as [count,1,height,width]; one mask serves all pictures, and Load Image's of a picture
    without a mask is none."""
    if mask is None:
        return None
    if mask.ndim < 2 or not min(mask.shape[-2:]):
        raise InputError(f"region_prior has the shape {tuple(mask.shape)}; connect a MASK of the picture's size")
    mask = mask.reshape(-1, 1, *mask.shape[-2:]).float()
    mask = mask.to(model_management.intermediate_device())
    if tuple(mask.shape[1:]) == NO_MASK != (1, height, width) and not bool(mask.any()):
        return None
    if len(mask) not in (1, count):
        raise InputError(
            f"region_prior has {len(mask)} masks and the image {count} pictures; give one mask, or one for each picture"
        )
    if mask.shape[-2:] != (height, width):
        mask = F.interpolate(mask, (height, width), mode="bilinear", align_corners=False)
    for index, one in enumerate(mask):
        if not bool((one > 0.5).any()):
            raise InputError(
                f"region_prior is empty (mask {index + 1} has no pixel above "
                "0.5); paint it where the region may be, or disconnect it"
            )
    return mask.expand(count, -1, -1, -1)


def to_bounding_box(box: tuple[int, int, int, int] | None) -> dict[str, int]:
    """A box (x0, y0, x1, y1) as BOUNDING_BOX; 0 wide where there is none."""
    x0, y0, x1, y1 = box or (0, 0, 0, 0)
    return {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0}


class BoxesOfBatch(list):
    """A list of BOUNDING_BOX for each picture of a batch. A node that wants one box for the whole batch, as core's
    Crop Image does, gets the one round all that were found: crops of a batch have one size."""

    def __init__(self, boxes: list[list[dict[str, int]]], around: dict[str, int]) -> None:
        super().__init__(boxes)
        self.around = around

    def get(self, side: str, default: Any = None) -> Any:
        """A side of that one box."""
        return self.around.get(side, default)


def to_bounding_boxes(boxes: list[list[tuple[int, int, int, int]]], height: int, width: int) -> Any:
    """The boxes (x0, y0, x1, y1) of each picture as core's nodes take them: one dict for one box of one picture, else
    a list for each. A picture without a box has the whole picture: by an empty box nodes fail, or lose the picture."""
    whole = (0, 0, width, height)
    each = [[to_bounding_box(box) for box in own or [whole]] for own in boxes]
    if len(each) == len(each[0]) == 1:
        return each[0][0]
    starts_x, starts_y, ends_x, ends_y = zip(*([box for own in boxes for box in own] or [whole]), strict=True)
    around = (min(starts_x), min(starts_y), max(ends_x), max(ends_y))
    return BoxesOfBatch(each, to_bounding_box(around))


def numbered(reports: list[str]) -> str:
    """Reports of a batch under their numbers; one alone has none: the pictures of a list come one at a time."""
    if len(reports) == 1:
        return reports[0]
    return "\n\n".join(f"picture {number}: {report}" for number, report in enumerate(reports, 1))


def pil_to_comfy(pictures: list[Any]) -> torch.Tensor:
    """PIL pictures of one size to IMAGE [B,H,W,3] on ComfyUI's device for what goes between nodes."""
    width, height = pictures[0].size
    images = torch.empty(len(pictures), height, width, 3, dtype=torch.float32)
    for image, picture in zip(images, pictures, strict=True):
        image.copy_(torch.from_numpy(np.array(picture.convert("RGB")))).div_(255)
    return images.to(model_management.intermediate_device())


def for_preview(picture: Any, image: torch.Tensor) -> Any:
    """A PIL picture that is only looked at, one of an IMAGE [B,H,W,C]: as it is or, where they are many,
    smaller. Of 100 frames the drawings would take more memory than the frames."""
    if len(image) > MANY:
        side = min(max(max(image.shape[1:3]) // 2, SMALLEST), SMALL)
        picture.thumbnail((side, side))
    return picture
