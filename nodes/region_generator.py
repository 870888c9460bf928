"""Learnable Region Generator: pictures and DINO -> where regions may be."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from comfy_api.latest import io

from ..region_core.draw import draw_boxes
from ..region_core.encoders import PatchFeatures
from ..region_core.paper.anchors import place_candidates
from ..region_core.picture import to_pil
from ..region_core.settings import EditSettings
from . import steps
from .common import Dino, Generator, Learned, Loss, check_image, for_preview, pil_to_comfy, schema, to_core, to_prior
from .drawn import Showing, draw_regions
from .sockets import checked
from .values import GeneratorDescription, LossDescription
from .widgets import widget

EACH = 4  # of the window sizes round an anchor, every fourth is drawn: all of them hide the picture


class LearnableRegionGenerator(io.ComfyNode):
    """What DINO sees in the pictures, and what a region may be."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "RegionGenerator",
            search_aliases=["region proposal", "text driven editing", "automatic mask", "dino"],
            inputs=[
                io.Image.Input("image"),
                Dino.Input("dino"),
                widget("max_window_size"),
                io.Mask.Input("region_prior", optional=True),
                Learned.Input("learned", optional=True),
                Loss.Input("loss", optional=True),
            ],
            outputs=[Generator.Output("generator"), io.Mask.Output("saliency"), io.Image.Output("candidates")],
        )

    @classmethod
    @checked
    def execute(
        cls,
        image: torch.Tensor,
        dino: Any,
        max_window_size: int,
        region_prior: torch.Tensor | None = None,
        learned: Any = None,
        loss: LossDescription | None = None,
    ) -> io.NodeOutput:
        """Let DINO see the pictures, and draw what will be considered."""
        check_image(image)
        count, height, width = image.shape[:3]
        settings = EditSettings().with_values(max_window_size=max_window_size)
        settings.validate()
        prior = to_prior(region_prior, count, height, width)
        steps.start()
        # one at a time: of a film's frames copies and attention maps would not fit into memory
        seen = [steps.see(dino, to_core(image[index : index + 1])) for index in range(count)]
        maps, attention = torch.cat([one.features for one in seen]), torch.cat([one.attention for one in seen])
        features = PatchFeatures(maps, attention, sum((one.keys for one in seen), ()))
        if learned is not None:
            learned.check(features.features.shape[1], max_window_size)
        made = GeneratorDescription(features, (height, width), prior, settings.find, learned)
        drawn, showing = [], Showing()
        for index in range(count):
            picture = to_core(image[index : index + 1])
            if loss is None:
                drawing = showing(partial(_windows, picture, made, index, settings), to_pil(picture[0]))
            else:
                encoded = steps.encode(picture, loss.caption, scorer=loss.scorer, features=made.features_of(index))
                regions = steps.find(
                    encoded, loss.caption, scorer=loss.scorer, settings=made.settings, prior=made.prior_of(index)
                )
                drawing = draw_regions(picture, regions)
            drawn.append(for_preview(drawing, image))
        return io.NodeOutput(made, features.saliency(height, width)[:, 0], pil_to_comfy(drawn))


def _windows(picture: torch.Tensor, made: GeneratorDescription, index: int, settings: EditSettings) -> Any:
    """The picture [1,3,H,W] with windows round the peaks of DINO's attention."""
    placed = place_candidates(made.features_of(index), *made.size, settings.paper, made.prior_of(index))
    return draw_boxes(picture[0], placed.boxes.unflatten(0, placed.shape)[:, ::EACH].flatten(0, 1).cpu())
