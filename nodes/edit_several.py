"""Edit Several Regions: a line an edit, each with its own region, prompt and seed, all in one picture."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

from ..region_core.boxes import box_round
from ..region_core.cost import work_so_far
from ..region_core.errors import InputError, escape_for_console
from ..region_core.events import SEARCH, Progress, expected_cost
from ..region_core.find.texts import is_background
from ..region_core.report_text import notes, pixels, where
from ..region_core.requests import Request, parse_requests
from ..region_core.settings import EditSettings
from ..region_core.several import Answer, SeveralEdits, edit_several
from . import steps as remembered
from .comfy.feedback import Feedback
from .comfy.painter import ComfyPainter
from .common import (
    BoundingBox,
    ClipScorerSocket,
    Dino,
    check_image,
    in_colour,
    numbered,
    schema,
    to_bounding_boxes,
    to_comfy,
    to_core,
)
from .sockets import checked
from .widgets import sampling_widgets


class EditSeveralRegions(io.ComfyNode):
    """Find, paint and put in, line by line."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "EditSeveralRegions",
            search_aliases=[
                "multi edit",
                "regional prompts",
                "several prompts",
                "batch edit",
                "text driven image editing",
            ],
            inputs=[
                io.Model.Input("model"),
                io.Clip.Input("clip"),
                io.Vae.Input("vae"),
                io.Conditioning.Input("negative"),
                io.Image.Input("image"),
                Dino.Input("dino"),
                ClipScorerSocket.Input("scorer"),
                io.String.Input("edits", default="", multiline=True, placeholder="coffee -> soft drink"),
                *sampling_widgets(),
            ],
            outputs=[
                io.Image.Output("edited"),
                io.Mask.Output("mask"),
                BoundingBox.Output("bounding_boxes"),
                io.String.Output("report"),
                io.Boolean.Output("found"),
                BoundingBox.Output("painted_boxes"),
                io.Boolean.Output("found_each", is_output_list=True),
            ],
        )

    @classmethod
    def validate_inputs(cls, edits: str | None = None) -> bool | str:
        """Lines that are typed in are checked before anything runs."""
        try:
            return bool(parse_requests(edits)) if isinstance(edits, str) else True
        except InputError as error:
            return escape_for_console(str(error))

    @classmethod
    @checked
    def execute(
        cls,
        model: Any,
        clip: Any,
        vae: Any,
        negative: list,
        image: torch.Tensor,
        dino: Any,
        scorer: Any,
        edits: str,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        denoise: float,
    ) -> io.NodeOutput:
        """Make every edit in every picture of the batch."""
        check_image(image)
        requests = parse_requests(edits)
        settings = EditSettings().with_values(seed=seed, steps=steps, guidance_scale=cfg, strength=denoise)
        settings.validate()
        painters = {
            prompt: ComfyPainter(
                model, vae, _encoded(clip, prompt), negative, sampler=sampler_name, scheduler=scheduler
            )
            for prompt in dict.fromkeys(request.prompt for request in requests)
        }
        feedback = Feedback(len(image), model)
        remembered.start()
        edited, masks, boxes, painted, reports = in_colour(image), [], [], [], []
        for index in range(len(image)):
            picture = to_core(image[index : index + 1])
            feedback.start(index, picture[0])
            done = _edited(picture, requests, painters, dino, scorer, settings, feedback)
            edited[index, ..., :3] = to_comfy(done.image)[0].to(edited)
            masks.append(done.mask[:, 0].float())
            boxes.append([edit.box for edit in done.edits])
            painted.append([box for edit in done.edits if (box := box_round(edit.mask))])
            reports.append(_report(done))
        found, around = (to_bounding_boxes(each, *image.shape[1:3]) for each in (boxes, painted))
        return io.NodeOutput(
            edited, torch.cat(masks), found, numbered(reports), any(boxes), around, [bool(one) for one in boxes]
        )


def _encoded(clip: Any, prompt: str) -> list:
    return clip.encode_from_tokens_scheduled(clip.tokenize(prompt))


def _edited(
    picture: torch.Tensor,
    requests: list[Request],
    painters: dict[str, ComfyPainter],
    dino: Any,
    scorer: Any,
    settings: EditSettings,
    feedback: Feedback,
) -> SeveralEdits:
    """The picture is encoded once, as all of the captions need it."""
    one = expected_cost(settings.with_values(num_regions=1), search=False)
    total = one * len(requests)
    captions = [request.caption for request in requests]
    to_find = next((caption for caption in captions if not is_background(caption)), captions[0])
    with feedback.looking(scorer, SEARCH.total / (SEARCH.total + total)):
        features = remembered.see(dino, picture)
        encoded = remembered.encode(picture, to_find, scorer=scorer, features=features)

    def spent() -> float:
        return work_so_far(None, None, scorer) + sum(work_so_far(one, None, None) for one in painters.values())

    progress = Progress(feedback, spent, total)
    return edit_several(
        picture,
        requests,
        painter_of=painters.__getitem__,
        dino=None,
        scorer=scorer,
        settings=settings,
        encoded=encoded,
        on_forward=progress.forward,
        on_step=lambda region, step: progress.painting(region)(step),
    )


def _report(done: SeveralEdits) -> str:
    """What came of each line."""
    made = sum(bool(answer.edits) for answer in done.answers)
    lines = [f"{made} of {len(done.answers)} edits"]
    lines += [f"{number}: {_of_answer(answer)}" for number, answer in enumerate(done.answers, 1)]
    return "\n".join(filter(None, [*lines, *notes(done.settings), done.encoded.picture.note]))


def _of_answer(answer: Answer) -> str:
    size = answer.regions[0].size if answer.regions else (1, 1)
    places = [f"{pixels(edit.box)}, {where(edit.box, size[1], size[0])}" for edit in answer.edits]
    left_out = [f"left out: {answer.reason}"] * bool(answer.reason)
    told = [*places, *left_out, *answer.all_notes]
    return f"{answer.request.caption!r} -> {answer.request.prompt!r}: {'; '.join(told)}"
