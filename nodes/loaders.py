"""Load DINO Encoder and Load OpenCLIP Scorer: what is on disk first, then named hub models."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io

from ..region_core.encoders import DinoEncoder, load_clip, load_dino
from ..region_core.encoders.open_clip_package import open_clip
from ..region_core.errors import InputError, escape_for_console
from .comfy.downloads import fetch_files
from .comfy.offloaded import ManagedEncoder
from .common import ClipScorerSocket, Dino, schema
from .sockets import checked

DINO_FOLDER, CLIP_FOLDER = "dino", "open_clip"
DINO_HUB = {  # hub repository: how much it is
    "facebook/dino-vitb8": "about 340 MB",
    "facebook/dino-vits8": "about 90 MB",
    "facebook/dino-vitb16": "about 340 MB",
    "facebook/dino-vits16": "about 90 MB",
}
CLIP_HUB = {  # file name here: (hub repository, file there, how much); the name begins with open_clip's
    "ViT-B-16-openai.safetensors": (
        "timm/vit_base_patch16_clip_224.openai",
        "open_clip_model.safetensors",
        "about 600 MB",
    ),
    "ViT-B-32-openai.safetensors": (
        "timm/vit_base_patch32_clip_224.openai",
        "open_clip_model.safetensors",
        "about 600 MB",
    ),
    "ViT-L-14-openai.safetensors": (
        "timm/vit_large_patch14_clip_224.openai",
        "open_clip_model.safetensors",
        "about 1.7 GB",
    ),
}
DOWNLOAD = "download: "
_MARKERS = ("config.json", "open_clip_config.json")  # of a folder that is one model

for _folder in (DINO_FOLDER, CLIP_FOLDER):
    folder_paths.add_model_folder_path(_folder, os.path.join(folder_paths.models_dir, _folder))


def _local(kind: str) -> dict[str, Path]:
    """Models in the folders of a kind and in folders within, by their paths there with /: folders with a marker, and
    for CLIP .safetensors files. What cannot be read is as if it were not there: all nodes would be missing for it."""
    found: dict[str, Path] = {}
    for root in folder_paths.get_folder_paths(kind):
        seen: set[str] = set()
        for place, folders, files in os.walk(root, followlinks=True):
            inside, real = Path(place).relative_to(root), os.path.realpath(place)
            is_model = inside.name and any(marker in files for marker in _MARKERS)
            if is_model:
                names = [""]
            elif kind == CLIP_FOLDER and real not in seen:
                names = [name for name in files if name.endswith(".safetensors") and not name.startswith(".")]
            else:
                names = []
            for name in names:
                found.setdefault((inside / name).as_posix(), Path(place, name))
            further = not is_model and real not in seen  # a link may lead back
            # hidden ones are drafts of downloads and caches
            folders[:] = [name for name in folders if further and not name.startswith(".")]
            seen.add(real)
    return dict(sorted(found.items()))


def _options(kind: str, hub: Iterable[str]) -> list[str]:
    # what has been downloaded stays among them: saved workflows name it
    return [*_local(kind), *(DOWNLOAD + name for name in hub)]


def _is_known(option: str, name: object, kind: str, hub: Iterable[str]) -> bool | str:
    if name is None or _slashed(name) in _options(kind, hub):
        return True
    return escape_for_console(f"{option} is {name!r}, which is not in models/{kind}; put it there or choose another")


def _slashed(name: object) -> object:
    """A name as `_local` has it: a workflow that was written on Windows may part folders by backslashes."""
    return name.replace("\\", "/") if isinstance(name, str) else name


def _found(kind: str, option: str, name: str) -> Path:
    """Where a model on disk is; InputError where a linked text names none."""
    local = _local(kind)
    name = str(_slashed(name))
    if name not in local:
        raise InputError(
            f"{option} is {name!r}, which is not in models/{kind}; put it there or choose "
            f"one of {', '.join(local) or 'those to download'}"
        )
    return local[name]


def _first_folder(kind: str) -> Path:
    return Path(folder_paths.get_folder_paths(kind)[0])


class LoadDinoEncoder(io.ComfyNode):
    """A DINO, DINOv2 or DINOv3 from models/dino."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "LoadDinoEncoder",
            search_aliases=["dino", "vit", "self supervised features"],
            inputs=[
                io.Combo.Input("dino_name", options=_options(DINO_FOLDER, DINO_HUB)),
                io.Int.Input("image_size", default=0, min=0, max=1024, step=8),
            ],
            outputs=[Dino.Output("dino")],
        )

    @classmethod
    def validate_inputs(cls, dino_name: str | None = None) -> bool | str:
        """A download that was chosen may have become a folder since; both stay valid."""
        return _is_known("dino_name", dino_name, DINO_FOLDER, DINO_HUB)

    @classmethod
    @checked
    def execute(cls, dino_name: str, image_size: int) -> io.NodeOutput:
        """Load from disk; fetch it first where it was to be downloaded."""
        if dino_name.startswith(DOWNLOAD):
            repository = dino_name.removeprefix(DOWNLOAD)
            if repository not in DINO_HUB:
                raise InputError(f"dino_name is {dino_name!r}; choose one of {', '.join(DINO_HUB)}")
            path = _first_folder(DINO_FOLDER) / repository.split("/")[-1]
            files = ("model.safetensors", "config.json")  # the last one makes it a model: see _local
            fetch_files(repository, {name: path / name for name in files}, DINO_HUB[repository])
        else:
            path = _found(DINO_FOLDER, "dino_name", dino_name)
        dino = load_dino(path, image_size=image_size or None)
        dino.batch_size = 1  # a batch's attention maps would outgrow what the manager is told
        return io.NodeOutput(ManagedEncoder(dino, dino_name, _attention_bytes(dino)))


def _attention_bytes(dino: DinoEncoder) -> int:
    """What the attention maps of all layers take for one picture."""
    config: Any = dino.model.config
    tokens = (dino.image_size // dino.patch_size) ** 2 + 1 + getattr(config, "num_register_tokens", 0)
    size = next(dino.model.parameters()).element_size()
    return config.num_hidden_layers * config.num_attention_heads * tokens**2 * size


class LoadClipScorer(io.ComfyNode):
    """A CLIP or SigLIP from models/open_clip."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Sockets and widgets."""
        return schema(
            "LoadClipScorer",
            search_aliases=["clip", "open_clip", "openclip", "text image similarity"],
            inputs=[io.Combo.Input("clip_name", options=_options(CLIP_FOLDER, CLIP_HUB))],
            outputs=[ClipScorerSocket.Output("scorer")],
        )

    @classmethod
    def validate_inputs(cls, clip_name: str | None = None) -> bool | str:
        """A download that was chosen may have become a file since; both stay valid."""
        return _is_known("clip_name", clip_name, CLIP_FOLDER, CLIP_HUB)

    @classmethod
    @checked
    def execute(cls, clip_name: str) -> io.NodeOutput:
        """Load from disk; fetch it first where it was to be downloaded."""
        if clip_name.startswith(DOWNLOAD):
            name = clip_name.removeprefix(DOWNLOAD)
            if name not in CLIP_HUB:
                raise InputError(f"clip_name is {clip_name!r}; choose one of {', '.join(CLIP_HUB)}")
            repository, file, size = CLIP_HUB[name]
            path = _first_folder(CLIP_FOLDER) / name
            fetch_files(repository, {file: path}, size)
        else:
            path = _found(CLIP_FOLDER, "clip_name", clip_name)
        if path.is_dir():
            scorer = load_clip(f"local-dir:{path}")
        else:
            scorer = load_clip(_architecture(path.name), pretrained=str(path))
        return io.NodeOutput(ManagedEncoder(scorer, clip_name))


def _architecture(file: str) -> str:
    """The open_clip model a file is named after: the longest name that it begins with."""
    known = [name for name in open_clip().list_models() if file.startswith(name)]
    if not known:
        raise InputError(
            f"{file} does not begin with the name of an open_clip model; rename it, "
            "for example ViT-B-16-openai.safetensors"
        )
    return max(known, key=len)
