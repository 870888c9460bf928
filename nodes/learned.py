"""Load and Save Learned Region Generator: what a search has learned, for the next one."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..region_core.checks import check_writable, is_file_name
from ..region_core.errors import InputError, escape_for_console
from ..region_core.paper.network import load_generator, save_generator
from .comfy.feedback import say_on_node
from .common import Learned, schema
from .sockets import checked
from .values import LearnedGenerator

log = logging.getLogger(__name__)
FOLDER = "learnable_regions"
NOTHING_LEARNED = "nothing was saved, for nothing was learned: choose preset paper in Region Inpaint Optimize"
NONE_YET = "none saved yet"

folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))
_paths, _ends = folder_paths.folder_names_and_paths[FOLDER]
folder_paths.folder_names_and_paths[FOLDER] = (_paths, {*_ends, ".safetensors"})


class SaveLearnedGenerator(io.ComfyNode):
    """Writes a learned region generator to models/learnable_regions."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "SaveLearnedGenerator",
            search_aliases=["save checkpoint", "region generator"],
            is_output_node=True,
            inputs=[Learned.Input("learned", optional=True), io.String.Input("filename_prefix", default="regions")],
            outputs=[io.String.Output("path")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, filename_prefix: str | None = None) -> bool | str:
        """A name that leads nowhere, or to where nothing can be written, is told before anything is learned."""
        try:
            if isinstance(filename_prefix, str):
                check_writable("the folder of filename_prefix", _stem(filename_prefix).parent)
        except InputError as error:
            return str(error)
        return True

    @classmethod
    @checked
    def execute(cls, filename_prefix: str = "regions", learned: LearnedGenerator | None = None) -> io.NodeOutput:
        """Save as safetensors with the settings it was taught with."""
        if learned is None:  # no fault: the other outputs of a search are worth as much without it
            log.warning(NOTHING_LEARNED)
            say_on_node(NOTHING_LEARNED, cls.hidden and cls.hidden.unique_id)
            return io.NodeOutput("", ui={"text": (NOTHING_LEARNED,)})
        stem, number = _stem(filename_prefix), 1
        while (path := stem.with_name(f"{stem.name}_{number:05}.safetensors")).exists():
            number += 1
        save_generator(learned.build(), path, learned.settings)
        return io.NodeOutput(str(path), ui={"text": (str(path),)})


def _stem(prefix: str) -> Path:
    """Where a name is saved, less its number; InputError for one that is no name inside models/learnable_regions."""
    parts = prefix.strip().replace("\\", "/").split("/")  # both slashes part folders where one of them does
    if not all(map(is_file_name, parts)):
        raise InputError(
            escape_for_console(
                f"filename_prefix is {prefix!r}; give a name inside models/learnable_regions, such as regions"
            )
        )
    return Path(folder_paths.get_folder_paths(FOLDER)[0], *parts)


class LoadLearnedGenerator(io.ComfyNode):
    """Reads a learned region generator from models/learnable_regions."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "LoadLearnedGenerator",
            search_aliases=["load checkpoint", "region generator"],
            inputs=[io.Combo.Input("learned_name", options=(folder_paths.get_filename_list(FOLDER) or [NONE_YET]))],
            outputs=[Learned.Output("learned")],
        )

    @classmethod
    def validate_inputs(cls, learned_name: str | None = None) -> bool | str:
        """A file may have been saved, or deleted, since the list was made."""
        return learned_name is None or bool(_saved(learned_name)) or _not_there(learned_name)

    @classmethod
    def fingerprint_inputs(cls, learned_name: str | None = None) -> float | str:
        """Load again when the file has changed."""
        path = _saved(learned_name)
        return os.path.getmtime(path) if path else ""

    @classmethod
    @checked
    def execute(cls, learned_name: str) -> io.NodeOutput:
        """Read the weights into a description."""
        path = _saved(learned_name)
        if path is None:
            raise InputError(_not_there(learned_name))
        module, settings = load_generator(path)
        state = {key: value.detach().clone() for key, value in module.state_dict().items()}
        return io.NodeOutput(LearnedGenerator(module.config, state, settings, learned_name))


def _saved(name: object) -> str | None:
    """Where a saved generator is; None where there is none of that name, or a graph gives no name but a number."""
    # a workflow that was written on Windows parts folders by backslashes
    return folder_paths.get_full_path(FOLDER, name.replace("\\", "/")) if isinstance(name, str) else None


def _not_there(name: object) -> str:
    return escape_for_console(
        f"learned_name is {name!r}, which is not in models/learnable_regions; save a learned generator there first"
    )
