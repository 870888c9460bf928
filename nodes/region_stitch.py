"""Region Stitch: what a painter made of Region Crop's crops, put back into the picture."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..region_core.errors import InputError
from ..region_core.paint import stitch as stitched
from ..region_core.paint.windows import resized
from ..region_core.picture import picture_from
from .common import StitchSocket, check_image, in_colour, schema, to_comfy, to_core
from .sockets import checked
from .values import Stitches


class RegionStitch(io.ComfyNode):
    """All crops into one picture, one after another."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "RegionStitch",
            search_aliases=["inpaint stitch", "crop and stitch", "paste back", "uncrop"],
            is_input_list=True,  # the crops are a list: all of it comes at once
            inputs=[StitchSocket.Input("stitch"), io.Image.Input("painted")],
            outputs=[io.Image.Output("edited", is_output_list=True), io.Mask.Output("mask", is_output_list=True)],
        )

    @classmethod
    @checked
    def execute(cls, stitch: list[Stitches], painted: list[torch.Tensor]) -> io.NodeOutput:
        """Put back each crop, in the order they were cut out; outside the masks not one pixel changes."""
        for each in painted:
            check_image(each)
        rows = [row for each in painted for row in each.split(1)]
        counts = [max(len(one.crops), 1) for one in stitch]  # where nothing was found the whole picture was painted
        if len(rows) != sum(counts) and any(one.crops for one in stitch):
            raise InputError(f"painted has {len(rows)} pictures of {sum(counts)} crops; give each crop once, painted")
        starts = [sum(counts[:place]) for place in range(len(counts))]
        done = [_put_back(one, rows[start:], start) for one, start in zip(stitch, starts, strict=True)]
        edited, masks = zip(*done, strict=True)
        return io.NodeOutput(list(edited), list(masks))


def _put_back(stitch: Stitches, rows: list[torch.Tensor], start: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The batch with its crops in it and their masks; `start` is how many painted pictures came before `rows`."""
    image, crops = stitch.image, stitch.crops
    edited = in_colour(image)
    masks = torch.zeros(image.shape[:3], dtype=torch.float32, device=image.device)
    for index in dict.fromkeys(place for place, _ in crops):
        picture = picture_from(to_core(image[index : index + 1]))
        into, mask = picture.rgb, torch.zeros_like(picture.rgb[:, :1])
        for number, ((place, crop), row) in enumerate(zip(crops, rows, strict=False), start + 1):
            if place == index:
                into, own = stitched(into, crop, _as_cut(row, crop.picture, number))
                mask = torch.maximum(mask, own)
        edited[index, ..., :3] = to_comfy(picture.restored(into, mask))[0].to(edited)
        masks[index] = mask[0, 0]
    return edited, masks


def _as_cut(row: torch.Tensor, crop: torch.Tensor, number: int) -> torch.Tensor:
    """A painted crop [1,h,w,C] as the core's, at the size that it was cut out with: some painters choose their own."""
    height, width = row.shape[1:3]
    if height != width:
        raise InputError(f"painted picture {number} is {width} x {height} pixels; keep it a square, as its crop is")
    return resized(picture_from(to_core(row)).rgb, *crop.shape[-2:])
