"""Load Edits List and Save Edits: the nodes between them run once for each edit of a list."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import folder_paths
import torch
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..region_core.checks import check_writable, is_file_name
from ..region_core.edits_list.items import Item
from ..region_core.edits_list.page import PAGE
from ..region_core.edits_list.reading import Defaults, read_items
from ..region_core.edits_list.results import ListResults
from ..region_core.errors import InputError, escape_for_console
from ..region_core.picture import Picture
from ..region_core.picture_file import load_picture
from ..region_core.requests import parse_requests
from ..region_core.settings import MAX_SEED, EditSettings
from .comfy.feedback import say_on_node
from .common import ListedSocket, check_image, schema, to_comfy, to_core
from .graph import is_linked
from .sockets import checked
from .values import ListedEdit

NONE_YET = "no JSON file in the input folder"
FOLDER = "edits"
_ONE_EDIT = {1, 2}  # outputs that say one edit: image_caption, editing_prompt
_LINES = {4}  # and edits, for a caption may hold what parts a line


class LoadEditsList(io.ComfyNode):
    """Gives what a list asks for and is not done yet, as lists."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "LoadEditsList",
            search_aliases=["batch", "folder of images", "load images", "many pictures", "json"],
            inputs=[
                io.Combo.Input("json_file", options=_files() or [NONE_YET]),
                io.String.Input("output_folder", default=FOLDER),
                io.Int.Input(
                    "seed", default=0, min=0, max=MAX_SEED, control_after_generate=io.ControlAfterGenerate.fixed
                ),
                io.Int.Input("at_most", default=8, min=0, max=100_000),
            ],
            outputs=[
                io.Image.Output("image", is_output_list=True),
                io.String.Output("image_caption", is_output_list=True),
                io.String.Output("editing_prompt", is_output_list=True),
                io.String.Output("negative_prompt", is_output_list=True),
                io.String.Output("edits", is_output_list=True),
                io.Int.Output("seed_each", is_output_list=True),
                io.String.Output("name", is_output_list=True),
                ListedSocket.Output("listed", is_output_list=True),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, json_file: str | None = None, output_folder: str = FOLDER) -> bool | str:
        """All that is wrong with a list is told before anything runs."""
        try:
            if isinstance(json_file, str) and isinstance(output_folder, str):
                _results(json_file, output_folder, 0)
        except InputError as error:
            return escape_for_console(str(error))
        return True

    @classmethod
    def fingerprint_inputs(cls, json_file: str = "", output_folder: str = FOLDER, seed: int = 0, **_: Any) -> str:
        """Run again when something is done, or the list or a picture has changed."""
        try:
            results = _results(json_file, output_folder, seed)
        except InputError as error:
            return str(error)
        return " ".join(f"{results.stamp(item)} {results.handed_out(item)}" for item in results.left())

    @classmethod
    @checked
    def execute(cls, json_file: str, output_folder: str, seed: int, at_most: int) -> io.NodeOutput:
        """The next edits, each with its picture; what comes after does not run where none is left."""
        results = _results(json_file, output_folder, seed)
        several = next((item.key for item in results.items if item.requests), None)
        if several is not None and is_linked(cls.hidden, _ONE_EDIT):
            raise InputError(f"{several!r} has several edits; connect edits to Edit Several Regions in their place")
        left, again = results.left(), ""
        taken: list[tuple[Item, Picture]] = []
        while not taken and (turn := results.next(at_most or len(left))):
            again = ", again, for nothing came of them before" * any(map(results.was_handed_out, turn))
            for item in turn:
                try:
                    if is_linked(cls.hidden, _LINES):
                        parse_requests("\n".join(item.lines))
                    taken.append((item, load_picture(item.path)))
                except InputError as error:  # the other pictures are not to suffer from it
                    results.fail(item, str(error))
        told = f"{len(taken)} of {len(left)} edits that are left{again}; run again for the others"
        if not taken:
            counts = Counter(row.status for row in results.write())
            said = ", ".join(f"{count} {status}" for status, count in counts.items())
            told = f"nothing is left ({said}); name another output_folder to edit anew"
        elif len(taken) == len(results.left()):
            told = f"the last {len(taken)} of {len(results.items)} edits"
        told = "\n".join([told, *(f"{item.key}: {picture.note}" for item, picture in taken if picture.note)])
        say_on_node(told, cls.hidden and cls.hidden.unique_id)
        if not taken:
            return io.NodeOutput(*[[ExecutionBlocker(None)]] * 8, ui={"text": (told,)})
        items = [item for item, _ in taken]
        results.hand_out(items)
        return io.NodeOutput(
            [_image(picture) for _, picture in taken],
            [item.caption for item in items],
            [item.prompt for item in items],
            [item.negative_prompt for item in items],
            ["\n".join(item.lines) for item in items],
            [item.settings.seed for item in items],
            [item.key for item in items],
            [ListedEdit(item, results, results.stamp(item)) for item in items],
            ui={"text": (told,)},
        )


class SaveEdits(io.ComfyNode):
    """Keeps what came of a list's edits, with a page of all."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "SaveEdits",
            search_aliases=["save batch", "gallery", "save images", "summary"],
            is_input_list=True,  # all of a run at once: the page is of all
            is_output_node=True,
            inputs=[
                ListedSocket.Input("listed"),
                io.Image.Input("edited"),
                io.Mask.Input("mask", optional=True),
                io.String.Input("report", optional=True, force_input=True),
            ],
            outputs=[io.String.Output("page")],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> float:
        """Never as it was: what was saved may have been deleted since."""
        return float("nan")

    @classmethod
    @checked
    def execute(
        cls,
        listed: list[ListedEdit],
        edited: list[torch.Tensor],
        mask: list[torch.Tensor] | None = None,
        report: list[str] | None = None,
    ) -> io.NodeOutput:
        """Write each edit under its name, and the page and table of the whole list."""
        for each in edited:
            check_image(each)
        rows = [row for each in edited for row in each.split(1)]
        masks: list[Any] = [None] * len(listed)
        if mask is not None:
            masks = [row for each in mask for row in each.reshape(-1, 1, *each.shape[-2:]).split(1)]
        reports = [""] * len(listed) if report is None else report
        for name, values in (("edited", rows), ("mask", masks), ("report", reports)):
            if len(values) != len(listed):
                raise InputError(f"{name} has {len(values)} for {len(listed)} edits of the list; give one for each")
        files = []
        for one, row, own, said in zip(listed, rows, masks, reports, strict=True):
            alpha = row[..., 3][None] if row.shape[-1] == 4 else None
            try:
                picture = load_picture(one.item.path)
            except InputError as error:  # it is gone since the run began; the other edits are not to suffer from it
                one.results.fail(one.item, str(error))
                continue
            kept = {"stamp": one.stamp, "alpha": alpha, "mask": own, "report": said}
            files.append(one.results.keep(one.item, picture, to_core(row), **kept))
        results = listed[0].results
        counts = Counter(row.status for row in results.write())
        told = ", ".join(f"{count} {status}" for status, count in counts.items())
        root = Path(folder_paths.get_output_directory())
        shown = [
            {"filename": file.name, "subfolder": file.parent.relative_to(root).as_posix(), "type": "output"}
            for file in files
        ]
        page = results.root / PAGE
        return io.NodeOutput(str(page), ui={"images": shown, "text": (f"{told}: {page}",)})


def _files() -> list[str]:
    """JSON files in ComfyUI's input folder, and in the folders in it."""
    root = Path(folder_paths.get_input_directory())
    return sorted(path.relative_to(root).as_posix() for depth in ("*.json", "*/*.json") for path in root.glob(depth))


def _results(json_file: str, output_folder: str, seed: int) -> ListResults:
    """The list and where its results go; InputError for all that is wrong with either. Pictures lie beside the list."""
    root = Path(folder_paths.get_input_directory()).resolve()
    file = Path(os.path.abspath(root / json_file))
    if root not in file.parents or not file.is_file():
        raise InputError(
            f"json_file is {json_file!r}, not in ComfyUI's input folder; put the list there, beside its pictures, and "
            "press R to have it listed"
        )
    parts = output_folder.strip().replace("\\", "/").split("/")
    if not all(map(is_file_name, parts)):
        raise InputError(
            f"output_folder is {output_folder!r}; give a name inside ComfyUI's output folder, such as edits"
        )
    folder = Path(folder_paths.get_output_directory(), *parts)
    check_writable("output_folder", folder)
    items = read_items(file, file.parent, Defaults(given={"seed": seed}))
    usual = EditSettings().flat()
    for item in items:
        own = [name for name, value in item.settings.flat().items() if name != "seed" and value != usual[name]]
        if own:
            raise InputError(f"{item.key!r} sets {', '.join(own)}, which nodes have here; leave it out of the list")
    return ListResults(tuple(items), folder)


def _image(picture: Picture) -> torch.Tensor:
    """IMAGE [1,H,W,3], or with its transparency 4."""
    planes = picture.rgb if picture.alpha is None else torch.cat([picture.rgb, picture.alpha], dim=1)
    return to_comfy(planes)
