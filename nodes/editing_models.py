"""Load Editing Models: all that an edit needs from one node, the demo's own models as one of the choices."""

from __future__ import annotations

from typing import Any

import comfy.sd
import folder_paths
from comfy_api.latest import io

from ..region_core.errors import InputError
from .common import ClipScorerSocket, Dino, schema
from .loaders import LoadClipScorer, LoadDinoEncoder
from .shapes_demo import LoadShapesDemo
from .sockets import checked

SHAPES = "demo: shapes, nothing to download"
CONNECTED = "what is connected"


class LoadEditingModels(io.ComfyNode):
    """MODEL, CLIP and VAE of a checkpoint, or what is connected, with DINO and OpenCLIP."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "LoadEditingModels",
            search_aliases=["checkpoint", "all models", "demo"],
            inputs=[
                io.Combo.Input("models", options=[SHAPES, CONNECTED, *folder_paths.get_filename_list("checkpoints")]),
                LoadDinoEncoder.define_schema().inputs[0],
                LoadClipScorer.define_schema().inputs[0],
                io.Model.Input("other_model", optional=True),
                io.Clip.Input("other_clip", optional=True),
                io.Vae.Input("other_vae", optional=True),
            ],
            outputs=[
                io.Model.Output("model"),
                io.Clip.Output("clip"),
                io.Vae.Output("vae"),
                Dino.Output("dino"),
                ClipScorerSocket.Output("scorer"),
            ],
        )

    @classmethod
    def validate_inputs(
        cls, models: str | None = None, dino_name: str | None = None, clip_name: str | None = None
    ) -> bool | str:
        """Files may have come or gone since the lists were made; those of the demo are always there."""
        if not isinstance(models, str) or models == SHAPES:
            return True
        if models != CONNECTED and _checkpoint(models) is None:
            return _not_there(models)
        for said in (LoadDinoEncoder.validate_inputs(dino_name), LoadClipScorer.validate_inputs(clip_name)):
            if isinstance(said, str):
                return said
        return True

    @classmethod
    @checked
    def execute(
        cls,
        models: str,
        dino_name: str,
        clip_name: str,
        other_model: Any = None,
        other_clip: Any = None,
        other_vae: Any = None,
    ) -> io.NodeOutput:
        """Load what is not connected."""
        given = (other_model, other_clip, other_vae)
        if models == SHAPES:
            if any(one is not None for one in given):
                raise InputError(f"models is {SHAPES!r} and models of another kind are connected; choose a checkpoint")
            return LoadShapesDemo.execute()
        if any(one is None for one in given):
            if models == CONNECTED:
                raise InputError(
                    f"models is {CONNECTED!r}, and not all of MODEL, CLIP and VAE are; connect them, or choose a "
                    "checkpoint such as 512-inpainting-ema.safetensors, or the demo's models"
                )
            path = _checkpoint(models)
            if path is None:
                raise InputError(_not_there(models))
            loaded = comfy.sd.load_checkpoint_guess_config(
                path, embedding_directory=folder_paths.get_folder_paths("embeddings")
            )
            given = tuple(own if one is None else one for one, own in zip(given, loaded, strict=False))
        dino, scorer = LoadDinoEncoder.execute(dino_name, 0), LoadClipScorer.execute(clip_name)
        return io.NodeOutput(*given, *dino.args, *scorer.args)


def _checkpoint(name: str) -> str | None:
    """Where a checkpoint is; a workflow that was written on Windows parts folders by backslashes."""
    return folder_paths.get_full_path("checkpoints", name.replace("\\", "/"))


def _not_there(models: str) -> str:
    return f"models is {models!r}, which is not in models/checkpoints; put it there or choose another"
