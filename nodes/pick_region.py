"""Pick Region: one of the regions that were found, to be painted or cut out; nothing is searched for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from comfy import model_management
from comfy_api.latest import io

from ..region_core.errors import InputError
from ..region_core.find import Region
from .common import BoundingBox, RegionsSocket, schema, to_bounding_boxes
from .sockets import checked
from .values import FoundRegions


class PickRegion(io.ComfyNode):
    """The region of a number, as Find Region by Text draws them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "PickRegion",
            search_aliases=["choose region", "select region", "another candidate"],
            inputs=[RegionsSocket.Input("regions"), io.Int.Input("index", default=1, min=1, max=1000)],
            outputs=[
                RegionsSocket.Output("regions"),
                io.Mask.Output("mask"),
                io.Mask.Output("box_mask"),
                BoundingBox.Output("bounding_box"),
            ],
        )

    @classmethod
    @checked
    def execute(cls, regions: FoundRegions, index: int) -> io.NodeOutput:
        """That region of every picture of the batch; a picture in which nothing was found has none."""
        counts = [len(one) for one in regions.regions if one.found]
        most = min(counts, default=index)
        if index > most:
            raise InputError(f"index is {index} and {most} regions were found; choose one from 1 to {most}")
        picked = replace(regions, regions=tuple(one.pick(index - 1) if one.found else one for one in regions.regions))
        return io.NodeOutput(picked, *first_regions(picked))


def first_regions(found: FoundRegions) -> tuple[torch.Tensor, torch.Tensor, Any]:
    """Of each picture's first region: MASK [B,H,W] of the thing, MASK of its box, BOUNDING_BOX."""
    height, width = found.encoded[0].picture.rgb.shape[-2:]
    masks = torch.zeros(
        2, len(found), height, width, dtype=torch.float32, device=model_management.intermediate_device()
    )
    boxes: list[Any] = []
    for index, regions in enumerate(found.regions):
        region: Region | None = regions[0] if regions.found else None
        boxes.append([] if region is None else [region.box])
        if region is not None:
            x0, y0, x1, y1 = region.box
            masks[0, index] = region.mask[0, 0]
            masks[1, index, y0:y1, x0:x1] = 1
    return masks[0], masks[1], to_bounding_boxes(boxes, height, width)
