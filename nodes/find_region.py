"""Find Region by Text: a picture and a caption -> the regions that it may mean, best first. Nothing is painted."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

from ..region_core.checks import check_text, text_problem
from ..region_core.edits import as_large
from ..region_core.errors import escape_for_console
from ..region_core.report_text import ranked, stands_out
from ..region_core.settings import FindSettings
from . import steps
from .comfy.feedback import Feedback
from .common import (
    BoundingBox,
    ClipScorerSocket,
    Dino,
    RegionsSocket,
    check_image,
    for_preview,
    numbered,
    pil_to_comfy,
    schema,
    to_core,
    to_prior,
)
from .detections import to_detections
from .drawn import draw_regions
from .pick_region import first_regions
from .sockets import checked
from .values import FoundRegions
from .widgets import widget


class FindRegion(io.ComfyNode):
    """The search alone: no painting model and no prompt."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "FindRegion",
            search_aliases=["text to mask", "segment by text", "clipseg", "grounding", "mask from text", "find object"],
            inputs=[
                io.Image.Input("image"),
                Dino.Input("dino"),
                ClipScorerSocket.Input("scorer"),
                io.String.Input("image_caption", default=""),
                io.Mask.Input("region_prior", optional=True),
                widget("max_window_size"),
                io.MultiType.Input("detections", [BoundingBox, io.Mask], optional=True),
                widget("detections_only"),
            ],
            outputs=[
                RegionsSocket.Output("regions"),
                io.Mask.Output("mask"),
                io.Mask.Output("box_mask"),
                BoundingBox.Output("bounding_box"),
                io.Mask.Output("relevance"),
                io.Boolean.Output("found"),
                io.Image.Output("ranked"),
                io.String.Output("report"),
                io.Boolean.Output("found_each", is_output_list=True),
            ],
        )

    @classmethod
    def validate_inputs(cls, image_caption: str | None = None) -> bool | str:
        """A caption that is typed in is checked before anything runs."""
        problem = text_problem("image_caption", image_caption) if isinstance(image_caption, str) else ""
        return escape_for_console(problem) or True

    @classmethod
    @checked
    def execute(
        cls,
        image: torch.Tensor,
        dino: Any,
        scorer: Any,
        image_caption: str,
        max_window_size: int,
        detections_only: bool,
        region_prior: torch.Tensor | None = None,
        detections: Any = None,
    ) -> io.NodeOutput:
        """Find the caption in every picture of the batch."""
        check_image(image)
        check_text("image_caption", image_caption)
        count, height, width = image.shape[:3]
        priors = to_prior(region_prior, count, height, width)
        given = to_detections([] if detections is None else detections, count, height, width)
        feedback = Feedback(count)
        steps.start()
        regions, encodings, drawn, relevance = [], [], [], []
        for index in range(count):
            picture = to_core(image[index : index + 1])
            feedback.start(index, picture[0])
            prior = None if priors is None else priors[index : index + 1]
            only = detections_only and given[index] is not None  # a detector that saw nothing leaves it to ours
            settings = FindSettings(max_window_size=max_window_size, detections_only=only)
            with feedback.looking(scorer):
                encoded = steps.encode(picture, image_caption, scorer=scorer, features=steps.see(dino, picture))
                found = steps.find(
                    encoded, image_caption, scorer=scorer, settings=settings, prior=prior, detections=given[index]
                )
            regions.append(found)
            encodings.append(encoded)
            relevance.append(as_large(found.relevance, picture)[:, 0])
            drawn.append(for_preview(draw_regions(picture, found), image))
        found_regions = FoundRegions(tuple(regions), tuple(encodings), scorer)
        return io.NodeOutput(
            found_regions,
            *first_regions(found_regions),
            torch.cat(relevance),
            any(one.found for one in regions),
            pil_to_comfy(drawn),
            numbered([_report(one) for one in regions]),
            [one.found for one in regions],
        )


def _report(regions: Any) -> str:
    """What was found, in lines."""
    if not regions.found:
        return regions.why
    lines = [f"{len(regions)} regions for {regions.caption!r}, best first", *ranked(regions)]
    return "\n".join([*lines, *filter(None, [stands_out(regions)]), *regions.notes])
