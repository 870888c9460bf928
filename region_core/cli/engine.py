"""What the commands work with: how models are loaded, a picture is searched and edited. Tests give another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..cost import work_so_far
from ..edit import edit_image
from ..edits import Edits
from ..encode import EncodedPicture, encode_picture
from ..encoders.loading import Models, load_encoders, load_models
from ..events import Event, Progress, Watcher, expected_cost
from ..find import Regions, find_regions
from ..paint import Painter
from ..paint.diffusers_painter import DiffusersPainter
from ..picture import Picture
from ..picture_file import check_header, load_picture
from ..requests import Request
from ..settings import EditSettings, FindSettings
from ..several import SeveralEdits, edit_several
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

    def edit_several(
        self,
        models: Models,
        image: Any,
        requests: Sequence[Request],
        negative_prompt: str,
        *,
        settings: EditSettings,
        on_event: Watcher,
        encoded: EncodedPicture | None = None,
    ) -> SeveralEdits:
        """Several edits of one picture; after each an event has the picture with all so far."""
        painters: list[Painter] = []

        def painter_of(prompt: str) -> Painter:
            painters.append(self.painter(models, prompt, negative_prompt))
            return painters[-1]

        def spent() -> float:
            return work_so_far(None, models.dino, models.scorer) + sum(work_so_far(one, None, None) for one in painters)

        def answered(done: SeveralEdits) -> None:
            new = done.answers[-1].edits
            more: dict[str, Any] = (
                {"best": done.image, "best_box": done.box, "best_score": new[-1].score} if new else {}
            )
            on_event(Event("work", progress.done, several=done, **more))

        total = expected_cost(settings.with_values(num_regions=1), search=True) * len(requests)
        progress = Progress(on_event, spent, total)
        more: dict[str, Any] = {"dino": models.dino, "scorer": models.scorer, "settings": settings, "encoded": encoded}
        watched: dict[str, Any] = {"on_forward": progress.forward, "on_answer": answered}
        done = edit_several(image, requests, painter_of=painter_of, **more, **watched)
        on_event(Event("final", 1.0))
        return done
