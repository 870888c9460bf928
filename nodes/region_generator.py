"""Learnable Region Generator: pictures and DINO -> where regions may be."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from comfy import model_management
from comfy_api.latest import io

from ..region_core.draw import draw_boxes
from ..region_core.encoders import PatchFeatures
from ..region_core.errors import InputError
from ..region_core.find.anchors import place_candidates
from ..region_core.picture import picture_from
from ..region_core.settings import SearchSettings
from .common import FIXED, MAX_SEED, Dino, Generator, Learned, check_image, for_preview, pil_to_comfy, schema, to_core
from .descriptions import GeneratorDescription
from .gates import checked
from .remembered import Remembered, key_of
from .widgets import widget

EACH = 4  # of the sizes round an anchor, every fourth is drawn: all of them hide the picture
_SEEN = Remembered(16, 256 * 2**20)  # a few megabytes each, 50 of a DINO at 1024 pixels


class LearnableRegionGenerator(io.ComfyNode):
    """Finds anchor points by DINO's attention and lays boxes of growing size round them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "RegionGenerator",
            search_aliases=["region proposal", "text driven editing", "automatic mask", "dino"],
            inputs=[
                io.Image.Input("image"),
                Dino.Input("dino"),
                widget("point_number"),
                widget("max_window_size"),
                io.Int.Input("seed", default=42, min=0, max=MAX_SEED, control_after_generate=FIXED),
                io.Mask.Input("region_prior", optional=True),
                Learned.Input("learned", optional=True),
            ],
            outputs=[Generator.Output("generator"), io.Mask.Output("saliency"), io.Image.Output("candidates")],
        )

    @classmethod
    @checked
    def execute(
        cls,
        image: torch.Tensor,
        dino: Any,
        point_number: int,
        max_window_size: int,
        seed: int,
        region_prior: torch.Tensor | None = None,
        learned: Any = None,
    ) -> io.NodeOutput:
        """Encode the pictures, place the candidates, draw them."""
        check_image(image)
        count, height, width = image.shape[:3]
        prior = cls._prior(region_prior, count, height, width)
        settings = SearchSettings(point_number=point_number, max_window_size=max_window_size)
        settings.validate()
        rows, columns = getattr(dino, "encoder", dino).grid(height, width)
        if max_window_size > max(rows, columns):
            raise InputError(
                f"max_window_size is {max_window_size}; it must be from 1 to {max(rows, columns)} for the {rows} x "
                f"{columns} cells that DINO lays over this picture"
            )
        _SEEN.start()
        # one at a time: of a film's frames copies and attention maps would not fit into memory
        seen = [cls._seen(dino, to_core(image[index : index + 1])) for index in range(count)]
        features = PatchFeatures(torch.cat([one.features for one in seen]), torch.cat([one.attention for one in seen]))
        if learned is not None:
            learned.check(features.features.shape[1])
        made = GeneratorDescription(features, (height, width), prior, point_number, max_window_size, seed, learned)
        drawn = []
        for index in range(count):
            placed = place_candidates(
                made.features_of(index), height, width, settings, None if prior is None else prior[index : index + 1]
            )
            boxes = placed.boxes.unflatten(0, placed.shape)[:, ::EACH].flatten(0, 1)
            picture = draw_boxes(to_core(image[index : index + 1])[0], boxes.cpu())
            drawn.append(for_preview(picture, image))
        return io.NodeOutput(made, features.saliency(height, width)[:, 0], pil_to_comfy(drawn))

    @staticmethod
    def _seen(dino: Any, picture: torch.Tensor) -> PatchFeatures:
        """DINO's features of a picture [1,3,H,W]; those of a moment ago where only a widget has changed."""
        key = key_of(dino, picture)
        features = _SEEN.get(key)
        if features is None:
            features = dino(picture_from(picture).rgb)
            _SEEN.keep(key, features)
        return features

    @staticmethod
    def _prior(mask: torch.Tensor | None, count: int, height: int, width: int) -> torch.Tensor | None:
        """The mask [B,H,W] or [H,W] as [count,1,height,width]; one mask serves all pictures."""
        if mask is None:
            return None
        if mask.ndim < 2 or not min(mask.shape[-2:]):
            raise InputError(f"region_prior has the shape {tuple(mask.shape)}; connect a MASK of the picture's size")
        mask = mask.reshape(-1, 1, *mask.shape[-2:]).float()
        mask = mask.to(model_management.intermediate_device())
        if len(mask) not in (1, count):
            raise InputError(
                f"region_prior has {len(mask)} masks and the image {count} pictures; "
                "give one mask, or one for each picture"
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
