"""Load and Save Learned Region Generator: what a search has learned, for the next one."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..region_core.errors import InputError
from ..region_core.generator import load_generator, save_generator
from .common import Learned, named_errors, schema
from .descriptions import LearnedGenerator

FOLDER = "learnable_regions"
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
            "SaveLearnedGenerator", "Save Learned Region Generator",
            description="Saves what a search has learned to models/learnable_regions.",
            search_aliases=["save checkpoint", "region generator"],
            is_output_node=True,
            inputs=[
                Learned.Input("learned", tooltip="From Region Inpaint Optimize."),
                io.String.Input("filename_prefix", default="regions", tooltip=(
                    "The file's name; a number is added so that nothing is overwritten.")),
            ],
            outputs=[io.String.Output("path", tooltip="Where it was saved.")],
        )

    @classmethod
    def execute(cls, learned: LearnedGenerator, filename_prefix: str) -> io.NodeOutput:
        """Save as safetensors with the settings it was taught with."""
        with named_errors(cls):
            if learned is None:
                raise InputError("nothing was learned in this search; choose a preset that learns")
            root = Path(folder_paths.get_folder_paths(FOLDER)[0]).resolve()
            stem = (root / filename_prefix.strip()).resolve()
            if not filename_prefix.strip() or root not in stem.parents:
                raise InputError(f"filename_prefix is {filename_prefix!r}; give a name inside "
                                 "models/learnable_regions, such as regions")
            number = 1
            while (path := stem.with_name(f"{stem.name}_{number:05}.safetensors")).exists():
                number += 1
            save_generator(learned.build(), path, learned.settings)
            return io.NodeOutput(str(path), ui={"text": (str(path),)})


class LoadLearnedGenerator(io.ComfyNode):
    """Reads a learned region generator from models/learnable_regions."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "LoadLearnedGenerator", "Load Learned Region Generator",
            description="Loads what an earlier search has learned; it then starts from that.",
            search_aliases=["load checkpoint", "region generator"],
            inputs=[io.Combo.Input("learned_name", options=(
                folder_paths.get_filename_list(FOLDER) or [NONE_YET]), tooltip=(
                "A file in models/learnable_regions."))],
            outputs=[Learned.Output("learned", tooltip="For Learnable Region Generator.")],
        )

    @classmethod
    def fingerprint_inputs(cls, learned_name: str) -> float | str:
        """Load again when the file has changed."""
        path = folder_paths.get_full_path(FOLDER, learned_name)
        return os.path.getmtime(path) if path else ""

    @classmethod
    def execute(cls, learned_name: str) -> io.NodeOutput:
        """Read the weights into a description."""
        with named_errors(cls):
            path = folder_paths.get_full_path(FOLDER, learned_name)
            if path is None:
                raise InputError(f"learned_name is {learned_name!r}, which is not in "
                                 "models/learnable_regions; save one there first")
            module, settings = load_generator(path)
            state = {key: value.detach().clone() for key, value in module.state_dict().items()}
            return io.NodeOutput(LearnedGenerator(module.config, state, settings, learned_name))
