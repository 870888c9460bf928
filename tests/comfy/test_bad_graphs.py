"""What people connect by mistake: one sentence that names the node, the value and the way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from .conftest import Comfy
from .parts import TINY_PAPER, picture, take, tiny_graph, tiny_unet, tiny_vae, words

EDIT, GENERATOR = "Region Inpaint Optimize", "Learnable Region Generator"


def other_latent(**fields: Any) -> Any:
    """A MODEL with another kind of latent."""
    model = tiny_unet("SD15", 4)
    latent = model.model.latent_format
    for name, value in fields.items():
        setattr(latent, name, value)
    return model


def video_unet() -> Any:
    """A MODEL like Stable Video Diffusion's: pictures to its latents, but many at a time."""
    model = tiny_unet("SD15", 4)
    model.model.model_config.unet_config["use_temporal_attention"] = True
    return model


def empty_vae() -> Any:
    return SimpleNamespace(first_stage_model=None)


def sound_vae() -> Any:
    vae = tiny_vae()
    vae.latent_dim = 1
    return vae


def not_a_number() -> torch.Tensor:
    image = picture(64, 64)
    image[0, 3, 3] = float("nan")
    return image


# name: (socket, what is put there, the node that speaks, words of value and way out)
BAD: dict[str, tuple[str, Callable[[], Any], str, tuple[str, ...]]] = {
    "a sound model": (
        "edit.model",
        lambda: other_latent(latent_dimensions=1),
        EDIT,
        ("MODEL", "single pictures", "connect an inpainting model"),
    ),
    "a video UNet": ("edit.model", video_unet, EDIT, ("single pictures", "connect an inpainting model")),
    "a model that reads a picture": (
        "edit.model",
        lambda: tiny_unet("SD15_instructpix2pix", 8),
        EDIT,
        ("SD15_instructpix2pix", "no mask", "connect"),
    ),
    "a depth model": (
        "edit.model",
        lambda: tiny_unet("SD15", 5),
        EDIT,
        ("takes 5 channels", "9", "connect an inpainting model"),
    ),
    "no model at all": ("edit.model", lambda: None, EDIT, ("MODEL", "connect")),
    "a VAE of 16 channels": (
        "edit.vae",
        lambda: tiny_vae(16),
        EDIT,
        ("16 channels", "takes 4", "belongs to the MODEL"),
    ),
    "a VAE for sound": ("edit.vae", sound_vae, EDIT, ("VAE", "belongs to the MODEL")),
    "an empty VAE": ("edit.vae", empty_vae, EDIT, ("VAE", "Load VAE")),
    "another CLIP": ("edit.positive", lambda: words(768), EDIT, ("positive", "768", "belongs to the MODEL")),
    "no text": ("edit.negative", list, EDIT, ("negative", "empty", "CLIP Text Encode")),
    "another picture": ("edit.image", lambda: picture(64, 96), EDIT, ("96 x 64", "connect the same image")),
    "two pictures": (
        "edit.image",
        lambda: picture(128, 128, count=2),
        EDIT,
        ("2 of 128 x 128", "connect the same image"),
    ),
    "two channels": (
        "generator.image",
        lambda: picture(64, 64, 2),
        GENERATOR,
        ("(1, 64, 64, 2)", "1, 3 or 4 channels"),
    ),
    "no picture": (
        "generator.image",
        lambda: picture(64, 64)[:0],
        GENERATOR,
        ("(0, 64, 64, 3)", "at least one picture"),
    ),
    "a tiny picture": ("generator.image", lambda: picture(16, 64), GENERATOR, ("64 x 16", "at least 32")),
    "not a number": ("generator.image", not_a_number, GENERATOR, ("not numbers", "half precision")),
    "a black mask": (
        "generator.region_prior",
        lambda: torch.zeros(1, 128, 128),
        GENERATOR,
        ("region_prior is empty", "disconnect"),
    ),
    "three masks": (
        "generator.region_prior",
        lambda: torch.ones(3, 128, 128),
        GENERATOR,
        ("3 masks", "1 pictures", "give one mask"),
    ),
}


@pytest.mark.parametrize("mistake", BAD)
def test_a_wrong_part_is_one_sentence(comfy: Comfy, mistake: str) -> None:
    socket, make, node, needles = BAD[mistake]
    graph = tiny_graph(comfy)
    if socket == "edit.model":  # texts that would fit, so that the model alone is wrong
        take(comfy, graph, "edit.positive", words())
        take(comfy, graph, "edit.negative", words())
    take(comfy, graph, socket, make())
    run = comfy.run(graph)
    assert not run.success
    message = run.error["exception_message"].strip()
    assert message.startswith(f"{node}: "), message
    assert all(needle in message for needle in needles), message
    assert len(message.splitlines()) == 1


def test_a_generator_taught_on_something_else(comfy: Comfy) -> None:
    values = comfy.part("nodes.values")
    build = comfy.part("region_core.paper.network").build_generator
    width = dino_width(comfy)
    for config, needle in (({"feature_dim": 7, "sizes": 6}, "DINO"), ({"feature_dim": width, "sizes": 9}, "sizes = 9")):
        module = build(seed=1, **config)
        learned = values.LearnedGenerator(module.config, module.state_dict(), {}, "mine")
        graph = tiny_graph(comfy)
        take(comfy, graph, "generator.learned", learned)
        run = comfy.run(graph)
        assert not run.success
        message = run.error["exception_message"]
        assert message.startswith(f"{GENERATOR}: mine was taught with"), message
        assert needle in message


def dino_width(comfy: Comfy) -> int:
    from .parts import demo_parts

    return int(demo_parts(comfy)["dino"].encoder.model.config.hidden_size)


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_pictures_are_edited(comfy: Comfy, channels: int) -> None:
    image = picture(64, 80, channels)
    run = comfy.run(tiny_graph(comfy, image))
    assert run.success, run.messages
    assert run.seen["v0"].shape == (1, 64, 80, 4 if channels == 4 else 3)
    assert run.seen["v1"].shape == (1, 64, 80)


LOADERS = {
    "LearnableRegions_LoadClipScorer": ("clip_name", "ViT-B-16-openai.safetensors", {}),
    "LearnableRegions_LoadDinoEncoder": ("dino_name", "facebook/dino-vitb8", {"image_size": 256}),
}


@pytest.mark.parametrize("kind", LOADERS)
def test_no_weights_and_no_network(comfy: Comfy, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    widget, name, more = LOADERS[kind]
    graph = {
        "load": {"class_type": kind, "inputs": {widget: f"download: {name}", **more}},
        "sink": {"class_type": "TestSink", "inputs": {"v0": ["load", 0]}},
    }
    run = comfy.run(graph)
    assert not run.success
    message = run.error["exception_message"]
    assert message.startswith(comfy.classes[kind].define_schema().display_name)
    assert "could not be downloaded" in message
    assert "connect to the network once, or put the file at" in message
    place = Path(message.split("put the file at ")[1].split(" yourself")[0])
    assert comfy.base in place.parents
    assert not list(place.parent.glob(".download*"))

    graph["load"]["inputs"][widget] = "not there.safetensors"
    wrong = comfy.run(graph)
    assert not wrong.success
    assert f"{widget} is 'not there.safetensors'" in str(wrong.problems)


def test_a_learned_generator_that_is_not_there(comfy: Comfy) -> None:
    graph = {
        "load": {"class_type": "LearnableRegions_LoadLearnedGenerator", "inputs": {"learned_name": "none saved yet"}},
        "save": {
            "class_type": "LearnableRegions_SaveLearnedGenerator",
            "inputs": {"learned": ["load", 0], "filename_prefix": "../../elsewhere"},
        },
    }
    run = comfy.run(graph)
    assert not run.success
    assert "save a learned generator there first" in str(run.problems)
    assert "give a name inside models/learnable_regions" in str(run.problems)


@pytest.mark.parametrize("typed", [{}, {"a": 1}, 5, None, True])
@pytest.mark.parametrize(
    ("kind", "widget"),
    [("LoadDinoEncoder", "dino_name"), ("LoadClipScorer", "clip_name"), ("LoadLearnedGenerator", "learned_name")],
)
def test_anything_typed_for_a_models_name_is_refused_in_a_sentence(
    comfy: Comfy, kind: str, widget: str, typed: object
) -> None:
    node = comfy.classes[f"LearnableRegions_{kind}"]
    told = node.validate_inputs(**{widget: typed})
    assert told is True if typed is None else told.startswith(f"{widget} is ")
    if kind == "LoadLearnedGenerator":
        assert node.fingerprint_inputs() == node.fingerprint_inputs(learned_name=typed) == ""


def test_what_was_learned_is_saved_and_loaded(comfy: Comfy) -> None:
    graph = tiny_graph(comfy, **TINY_PAPER)
    graph["save"] = {
        "class_type": "LearnableRegions_SaveLearnedGenerator",
        "inputs": {"learned": ["edit", 7], "filename_prefix": "deep/mine"},
    }
    run = comfy.run(graph)
    assert run.success, run.messages
    learned = run.seen["v7"]
    again = tiny_graph(comfy, **TINY_PAPER)
    again["load"] = {
        "class_type": "LearnableRegions_LoadLearnedGenerator",
        "inputs": {"learned_name": "deep/mine_00001.safetensors"},
    }
    again["generator"]["inputs"]["learned"] = ["load", 0]
    again["sink"]["inputs"]["v9"] = ["load", 0]
    run = comfy.run(again)
    assert run.success, (run.messages, run.problems)
    loaded = run.seen["v9"]
    assert loaded.config == learned.config
    assert all(torch.equal(loaded.state[key], learned.state[key]) for key in learned.state)
    node = comfy.classes["LearnableRegions_LoadLearnedGenerator"]
    assert node.validate_inputs(learned_name="deep\\mine_00001.safetensors") is True, "as written on Windows"
    taught = run.seen["v7"].state
    assert not torch.equal(taught["linear1.weight"], loaded.state["linear1.weight"]), "it was not taught on"
