"""What the commands work with: how models are loaded, a picture is searched and edited. Tests give another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..edit import Edits, edit_image
from ..encode import EncodedPicture, encode_picture
from ..encoders.loading import Models, load_encoders, load_models
from ..find import Regions, find_regions
from ..paint import Painter
from ..paint.diffusers_painter import DiffusersPainter
from ..picture import Picture, check_header, load_picture
from ..settings import FindSettings
from .job import ModelChoice


class Engine:
    """The pack's own."""

    def load(self, choice: ModelChoice) -> Models:
        """The models of a choice; InputError where one cannot be had."""
        return load_models(choice.pipeline, choice.clip, choice.dino, choice.device, choice.dtype)

    def load_encoders(self, choice: ModelChoice) -> Models:
        """The encoders of a choice, without what paints."""
        return load_encoders(choice.clip, choice.dino, choice.device)

    def read(self, path: Path) -> Picture:
        """A picture of a list; InputError where it cannot be read."""
        check_header(path)  # also that it is still a file
        return load_picture(path)

    def encode(self, models: Models, image: Any) -> EncodedPicture:
        """What the models see of a picture, whatever is asked of it."""
        return encode_picture(image, dino=models.dino, scorer=models.scorer)

    def find(self, models: Models, encoded: EncodedPicture, caption: str, settings: FindSettings) -> Regions:
        """The regions of a caption, best first; nothing is painted."""
        return find_regions(encoded, caption, scorer=models.scorer, settings=settings)

    def painter(self, models: Models, prompt: str, negative_prompt: str) -> Painter:
        """What paints a prompt."""
        return DiffusersPainter(models.pipe, prompt, negative_prompt)

    def edit(self, models: Models, image: Any, caption: str, prompt: str, **options: Any) -> Edits:
        """One edit; `options` are those of `edit_image`."""
        return edit_image(image, caption, prompt, dino=models.dino, scorer=models.scorer, **options)
