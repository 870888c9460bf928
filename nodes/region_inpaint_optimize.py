"""Region Inpaint Optimize: search for the region, edit it with the MODEL that is connected."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import comfy.samplers
import torch
from comfy_api.latest import io

from ..region_core.edit import edit_image
from ..region_core.errors import InputError
from ..region_core.settings import LEARNING, PRESETS, PREVIEWS, REMOVED, SearchSettings
from ..region_core.settings import preset as preset_of
from .blame import Blame
from .comfy.feedback import Feedback
from .comfy.painter import ComfyPainter
from .common import MANY, BoundingBox, Generator, Learned, Loss, advanced, check_image, schema, to_core
from .descriptions import GeneratorDescription, LossDescription
from .gates import checked
from .graph import look_round
from .remembered import Remembered, key_of, size_of
from .results import Results
from .widgets import removed, widget

CUSTOM = "custom"
_SEARCHED = ("point_number", "anchor_distance", "max_window_size")  # all that the search for regions reads
_FOUND = Remembered(64, 16 * 2**20)  # findings of pictures, some kilobytes each
_DONE = Remembered(1, 64 * 2**20)  # the outputs of the last run
# open to the person where the preset is "custom"; in the order of saved workflows
_CUSTOM = (
    "per_image_iteration",
    "lr",
    "looks_per_round",
    "preview_steps",
    "preview_guidance",
    "num_regions",
    "noise_samples",
    "generator_steps",
    "test_alpha",
    "test_beta",
    "test_gamma",
    "learning",
)


def _custom_inputs() -> list[Any]:
    native_size = advanced(io.Int.Input, "native_size", default=0, min=0, max=4096, step=8)
    custom = [removed(name) if name in REMOVED else widget(name, folded=True) for name in _CUSTOM]
    return [*custom, native_size, removed("screen"), widget("previews", folded=True)]


class RegionInpaintOptimize(io.ComfyNode):
    """The search and the edit."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "RegionInpaintOptimize",
            search_aliases=["text driven image editing", "inpaint without mask", "auto inpaint", "learnable regions"],
            inputs=[
                io.Model.Input("model"),
                io.Vae.Input("vae"),
                io.Conditioning.Input("positive"),
                io.Conditioning.Input("negative"),
                io.Image.Input("image"),
                Generator.Input("generator"),
                Loss.Input("loss"),
                io.Combo.Input("preset", options=[*PRESETS, CUSTOM], default="standard"),
                widget("seed", control_after_generate=True),
                widget("steps"),
                widget("guidance_scale"),
                io.Combo.Input("sampler_name", options=comfy.samplers.KSampler.SAMPLERS, default="ddim"),
                io.Combo.Input("scheduler", options=comfy.samplers.KSampler.SCHEDULERS, default="ddim_uniform"),
                widget("strength"),
                widget("grow", folded=True),
                widget("feather", folded=True),
                *_custom_inputs(),
                widget("grow_percent"),  # saved workflows know widgets by their number: what is new comes last
                widget("feather_percent"),
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
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(
        cls, preset: str | None = None, previews: str | None = None, learning: str | None = None
    ) -> bool | str:
        """Settings that contradict each other, before anything runs."""
        for name, value, options in (
            ("preset", preset, (*PRESETS, CUSTOM)),
            ("previews", previews, PREVIEWS),
            ("learning", learning, LEARNING),
        ):
            if isinstance(value, str) and value not in options:
                return Blame(name, f"{name} is {value!r}; choose one of {', '.join(options)}")
        if preset == CUSTOM and previews and learning:
            for problem in preset_of("standard").with_values(previews=previews, learning=learning).problems():
                return Blame("previews", problem)
        return True

    @classmethod
    @checked
    def execute(
        cls,
        model: Any,
        vae: Any,
        positive: list,
        negative: list,
        image: torch.Tensor,
        generator: GeneratorDescription,
        loss: LossDescription,
        preset: str,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        denoise: float,
        mask_grow: int,
        mask_feather: int,
        native_size: int = 0,
        mask_grow_percent: float = SearchSettings.grow_percent,
        mask_feather_percent: float = SearchSettings.feather_percent,
        **custom: Any,
    ) -> io.NodeOutput:
        """Edit every picture of the batch."""
        check_image(image)
        cls._same_pictures(image, generator)
        settings = cls._settings(
            generator,
            loss,
            preset,
            custom,
            seed=seed,
            steps=steps,
            guidance_scale=cfg,
            strength=denoise,
            grow=mask_grow,
            feather=mask_feather,
            grow_percent=mask_grow_percent,
            feather_percent=mask_feather_percent,
        )
        notes = look_round(cls.hidden, settings, loss)
        inpainter = ComfyPainter(
            model,
            vae,
            positive,
            negative,
            sampler=sampler_name,
            scheduler=scheduler,
            steps=steps,
            size=native_size,
            strength=denoise,
        )
        parts = (model, vae, positive, negative, sampler_name, scheduler, native_size)
        count = len(image)
        # outputs are larger than the pictures: those of too large ones are not asked for, which takes time as well
        whole = None
        if count <= MANY and size_of(image) <= _DONE.most_bytes:
            whole = key_of(image, replace(generator, seed=0), loss, settings, parts, notes)
            if (done := _DONE.get(whole)) is not None:
                return io.NodeOutput(*done)
        _DONE.clear()
        feedback, results = Feedback(count, model), Results(image, notes)
        inpainter.on_step = feedback.painting
        _FOUND.start()
        for index in range(count):
            picture = to_core(image[index : index + 1])
            feedback.start(index, picture[0])
            features = generator.features_of(index)
            prior = None if generator.prior is None else generator.prior[index : index + 1]
            search = [getattr(settings, name) for name in _SEARCHED]
            key = key_of(picture, features, prior, loss.scorer, loss.caption, loss.prompt, search)
            result = edit_image(
                picture,
                loss.caption,
                loss.prompt,
                inpainter=inpainter,
                dino=None,
                scorer=loss.scorer,
                settings=settings,
                generator=generator.build(settings),
                features=features,
                prior=prior,
                finding=_FOUND.get(key),
                on_event=feedback,
            )
            if result.finding is not None:
                _FOUND.keep(key, result.finding)
            results.add(picture, result)
        outputs = results.outputs()
        if whole is not None and not results.learning:  # the generator's seed had no say
            _DONE.keep(whole, outputs.args)
        return outputs

    @staticmethod
    def _same_pictures(image: torch.Tensor, generator: GeneratorDescription) -> None:
        here = tuple(image.shape[:3])
        there = (len(generator), *generator.size)
        if here != there:
            raise InputError(
                f"the image is {here[0]} of {here[2]} x {here[1]} pixels and the generator was "
                f"made from {there[0]} of {there[2]} x {there[1]}; connect the same image to both"
            )

    @staticmethod
    def _settings(
        generator: GeneratorDescription, loss: LossDescription, preset: str, custom: dict[str, Any], **values: Any
    ) -> SearchSettings:
        """The preset's settings, or the custom ones, with what the sockets say."""
        start = preset_of("standard" if preset == CUSTOM else preset)
        if preset == CUSTOM:
            start = start.with_values(**custom)
        settings = start.with_values(
            point_number=generator.point_number,
            max_window_size=generator.max_window_size,
            loss_alpha=loss.alpha,
            loss_beta=loss.beta,
            loss_gamma=loss.gamma,
            loss_crop=loss.crop,
            views=loss.views,
            **values,
        )
        if settings.method == "published":  # the losses of the whole picture, whatever is said of crops
            settings = settings.with_values(loss_crop=0.0)
        settings.validate()
        return settings
