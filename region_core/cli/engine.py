"""What the commands work with: how models are loaded and a picture is edited. Tests give another."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..edit import EditResult, edit_image
from ..encoders.loading import Models, load_encoders, load_models
from ..find.find_region import find_region
from ..paint.diffusers_painter import DiffusersInpainter
from ..paint.painter import Inpainter
from ..settings import SearchSettings
from .job import ModelChoice


class Engine:
    """The pack's own."""

    def load(self, choice: ModelChoice, max_window_size: int) -> Models:
        """The models of a choice; InputError where one cannot be had, or has too small a grid."""
        return load_models(
            choice.pipeline, choice.clip, choice.dino, choice.device, choice.dtype, max_window_size=max_window_size
        )

    def load_encoders(self, choice: ModelChoice) -> Models:
        """The encoders of a choice, without what paints."""
        return load_encoders(choice.clip, choice.dino, choice.device)

    def find(
        self, models: Models, picture: Tensor, caption: str, prompt: str, settings: SearchSettings
    ) -> tuple[int, int, int, int] | None:
        """The likeliest region of picture [1, 3, H, W] in whole pixels, nothing painted; None where
        nothing answers to the caption."""
        return find_region(picture, caption, prompt, models.dino, models.scorer, settings)

    def inpainter(self, models: Models, prompt: str, negative_prompt: str) -> Inpainter:
        """What paints a prompt."""
        return DiffusersInpainter(models.pipe, prompt, negative_prompt)

    def edit(self, models: Models, image: Any, caption: str, prompt: str, **options: Any) -> EditResult:
        """One edit; `options` are those of `edit_image`."""
        return edit_image(image, caption, prompt, dino=models.dino, scorer=models.scorer, **options)
