"""Region Crop: regions cut out for any painter, at the size it wants, with all that putting them back needs."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

from ..region_core.errors import InputError
from ..region_core.find import Region, Regions
from ..region_core.find.which import choose
from ..region_core.paint import Crop, crop_region
from ..region_core.paint.borders import Borders
from ..region_core.paint.windows import cut, window_for
from ..region_core.picture import picture_from
from ..region_core.requests import WHICH
from ..region_core.settings import PaintSettings
from .common import RegionsSocket, StitchSocket, check_image, schema, to_comfy, to_core
from .sockets import checked
from .values import FoundRegions, Stitches, check_pictures
from .widgets import widget

LEAST = 64  # pixels a side, which every painter can do


class RegionCrop(io.ComfyNode):
    """A square round each region, and its mask."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "RegionCrop",
            search_aliases=["inpaint crop", "crop and stitch", "crop by mask", "detailer"],
            inputs=[
                io.Image.Input("image"),
                RegionsSocket.Input("regions"),
                io.Combo.Input("which", options=list(WHICH), default="best"),
                io.Int.Input("size", default=1024, min=0, max=8192, step=8),
                io.Int.Input("multiple_of", default=16, min=1, max=256),
                widget("grow_percent"),
                widget("feather_percent"),
                widget("mask_shape"),
            ],
            outputs=[
                io.Image.Output("crops", is_output_list=True),
                io.Mask.Output("masks", is_output_list=True),
                StitchSocket.Output("stitch"),
                io.Boolean.Output("found"),
            ],
        )

    @classmethod
    @checked
    def execute(
        cls,
        image: torch.Tensor,
        regions: FoundRegions,
        which: str,
        size: int,
        multiple_of: int,
        mask_grow_percent: float,
        mask_feather_percent: float,
        mask_shape: str,
    ) -> io.NodeOutput:
        """Cut out what is meant in each picture of the batch."""
        check_image(image)
        check_pictures(image, "regions", regions)
        settings = PaintSettings(
            grow_percent=mask_grow_percent, feather_percent=mask_feather_percent, mask_shape=mask_shape
        )
        crops: list[tuple[int, Crop]] = []
        for index, found in enumerate(regions.regions):
            source = picture_from(to_core(image[index : index + 1])).rgb
            for region in _meant(found, which):
                side = _side(region, size, multiple_of, settings)
                crops.append((index, crop_region(source, region, side, settings)))
        pictures, masks = [crop.picture for _, crop in crops], [crop.mask for _, crop in crops]
        if not crops:  # what comes after wants a picture; nothing of it will be put back
            pictures, masks = _whole(image, size, multiple_of)
        return io.NodeOutput(
            [to_comfy(picture) for picture in pictures],
            [to_comfy(mask)[..., 0] for mask in masks],
            Stitches(image, tuple(crops)),
            bool(crops),
        )


def _meant(regions: Regions, which: str) -> list[Region]:
    if which not in WHICH:
        raise InputError(f"which is {which!r}; choose one of {', '.join(WHICH)}")
    if len(regions) == 1:  # a person may have picked what is no thing of its own
        return list(regions)
    return choose(regions, which)


def _side(region: Region, size: int, multiple_of: int, settings: PaintSettings) -> int:
    """Of a crop in pixels: so large that a pixel stays one where no size is given."""
    if not size:
        touched = Borders.round(region.box, settings).touched(region.box, *region.size)
        left, _, right, _ = window_for(touched, *region.size, LEAST)
        size = right - left
    return _multiple(size, multiple_of)


def _multiple(size: int, multiple_of: int) -> int:
    return -(-max(size, LEAST) // multiple_of) * multiple_of


def _whole(image: torch.Tensor, size: int, multiple_of: int) -> tuple[list[Any], list[Any]]:
    """The first picture whole, and a black mask."""
    source = picture_from(to_core(image[:1])).rgb
    height, width = source.shape[-2:]
    side = _multiple(size or max(height, width), multiple_of)
    picture = cut(source, window_for((0, 0, width, height), height, width, side), side)
    return [picture], [torch.zeros_like(picture[:, :1])]
