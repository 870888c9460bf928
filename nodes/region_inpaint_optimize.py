"""Region Inpaint Optimize: find the region, or take one that was found, and edit it with the connected MODEL."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import torch
from comfy_api.latest import io

from ..region_core.cost import cost_so_far
from ..region_core.edit import edit_image
from ..region_core.errors import InputError
from ..region_core.events import SEARCH, expected_cost
from ..region_core.settings import PRESETS, SETTINGS, EditSettings
from ..region_core.settings import preset as preset_of
from . import steps
from .comfy.feedback import Feedback
from .comfy.painter import ComfyPainter, small_side
from .common import BoundingBox, Generator, Learned, Loss, RegionsSocket, check_image, schema, to_core
from .graph import look_round, typed
from .results import Results
from .sockets import checked
from .values import FoundRegions, GeneratorDescription, LossDescription, check_pictures
from .widgets import sampling_widgets, widget

CUSTOM = "custom"
# what a preset leaves to the person, by published names; all else has a widget of its own
_CUSTOM = ("num_regions", "test_alpha", "test_beta")
_PAPER = (
    *("point_number", "per_image_iteration", "lr", "learning", "generator_steps", "anchor_distance"),
    *("loss_alpha", "loss_beta", "loss_gamma", "views", "test_alpha", "test_beta"),
)
_SHOWN = {"paper": _PAPER, CUSTOM: _CUSTOM}


class RegionInpaintOptimize(io.ComfyNode):
    """The search and the edit."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        presets = [
            io.DynamicCombo.Option(name, [widget(one) for one in _SHOWN.get(name, ())])
            for name in ("standard", "quality", "paper", CUSTOM)  # fast is fewer steps, a widget of the node
        ]
        return schema(
            "RegionInpaintOptimize",
            search_aliases=["text driven image editing", "inpaint without mask", "auto inpaint", "learnable regions"],
            inputs=[
                io.Model.Input("model"),
                io.Vae.Input("vae"),
                io.Conditioning.Input("positive"),
                io.Conditioning.Input("negative"),
                io.Image.Input("image"),
                Generator.Input("generator", optional=True),
                Loss.Input("loss"),
                RegionsSocket.Input("regions", optional=True),
                io.DynamicCombo.Input("preset", options=presets, optional=True),
                *sampling_widgets(),
                widget("grow_percent"),
                widget("feather_percent"),
                widget("mask_shape"),
                widget("grow", advanced=True),
                widget("feather", advanced=True),
                io.Int.Input("native_size", default=0, min=0, max=4096, step=8, advanced=True),
            ],
            outputs=[
                io.Image.Output("edited"),
                io.Mask.Output("mask"),
                BoundingBox.Output("bounding_box"),
                io.Image.Output("ranked"),
                io.Image.Output("boxes"),
                io.Image.Output("loss_curve"),
                io.String.Output("report"),
                Learned.Output("learned"),
                io.Mask.Output("relevance"),
                io.Boolean.Output("found"),
                BoundingBox.Output("painted_box"),
                io.Boolean.Output("found_each", is_output_list=True),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @classmethod
    @checked
    def execute(
        cls,
        model: Any,
        vae: Any,
        positive: list,
        negative: list,
        image: torch.Tensor,
        loss: LossDescription,
        sampler_name: str,
        scheduler: str,
        native_size: int,
        preset: dict[str, Any] | None = None,
        generator: GeneratorDescription | None = None,
        regions: FoundRegions | None = None,
        **widgets: Any,
    ) -> io.NodeOutput:
        """Edit every picture of the batch."""
        check_image(image)
        preset = preset or {"preset": typed(cls.hidden, "preset", "standard")}
        settings = _settings(preset, generator, widgets)
        _check_made(image, generator, regions, loss, settings)
        notes = [*look_round(cls.hidden, settings, loss), *small_side(model, native_size)]
        painter = ComfyPainter(
            model, vae, positive, negative, sampler=sampler_name, scheduler=scheduler, size=native_size
        )
        feedback, results = Feedback(len(image), model), Results(image, notes)
        steps.start()
        for index in range(len(image)):
            picture = to_core(image[index : index + 1])
            feedback.start(index, picture[0])
            started, before = time.monotonic(), cost_so_far(painter, None, loss.scorer)
            more: dict[str, Any] = {}
            if settings.method == "paper":
                assert generator is not None
                more = {"features": generator.features_of(index), "generator": generator.build()}
                more["prior"] = generator.prior_of(index)
            elif regions is not None:
                # another CLIP's embeddings cannot be compared with
                encoded = regions.encoded[index] if regions.scorer is loss.scorer else None
                more = {"encoded": encoded, "regions": regions.regions[index]}
            else:
                assert generator is not None
                more = _found(picture, index, generator, loss, settings, feedback)
            result = edit_image(
                picture,
                loss.caption,
                loss.prompt,
                painter=painter,
                dino=None,
                scorer=loss.scorer,
                settings=settings,
                on_event=feedback,
                **more,
            )
            cost = cost_so_far(painter, None, loss.scorer) - before  # with what was done before painting
            results.add(picture, replace(result, cost=cost, seconds=time.monotonic() - started))
        return results.outputs()


def _found(
    picture: torch.Tensor,
    index: int,
    generator: GeneratorDescription,
    loss: LossDescription,
    settings: EditSettings,
    feedback: Feedback,
) -> dict[str, Any]:
    """The picture encoded and its regions: what was worked out a moment ago is not worked out again."""
    share = SEARCH.total / (SEARCH.total + expected_cost(settings, search=False))
    with feedback.looking(loss.scorer, share):
        encoded = steps.encode(picture, loss.caption, scorer=loss.scorer, features=generator.features_of(index))
        regions = steps.find(
            encoded, loss.caption, scorer=loss.scorer, settings=settings.find, prior=generator.prior_of(index)
        )
    return {"encoded": encoded, "regions": regions}


def _settings(preset: dict[str, Any], generator: GeneratorDescription | None, widgets: dict[str, Any]) -> EditSettings:
    """The preset's settings with what is shown: its own inputs, the node's, and those of Learnable Region Generator."""
    name = preset["preset"]
    if name not in (*PRESETS, CUSTOM):
        raise InputError(f"preset {name!r} is not known; choose one of {', '.join((*PRESETS, CUSTOM))}")
    names = {one.widget.partition(".")[2] or one.name: one.name for one in SETTINGS.values()}
    given = {names[key]: value for key, value in {**preset, **widgets}.items() if key != "preset"}
    if generator is not None:
        given["max_window_size"] = generator.settings.max_window_size
    settings = preset_of("standard" if name == CUSTOM else name).with_values(**given)
    settings.validate()
    return settings


def _check_made(
    image: torch.Tensor,
    generator: GeneratorDescription | None,
    regions: FoundRegions | None,
    loss: LossDescription,
    settings: EditSettings,
) -> None:
    """Raise InputError where there is nothing to find a region by, or what is connected was made of other pictures, or
    for another caption."""
    if regions is None and generator is None:
        raise InputError(
            "got neither a generator nor regions: connect Learnable Region Generator or Find Region by Text"
        )
    if regions is not None and settings.method == "paper":
        raise InputError("preset paper finds its own regions; choose another preset, or disconnect regions")
    if regions is not None:
        check_pictures(image, "regions", regions)
        for one in regions.regions:
            one.check(one.key, loss.caption)
    elif generator is not None:
        check_pictures(image, "generator", generator)
