"""Checkpoints of the region generator."""

from __future__ import annotations

import os

import pytest
import torch
from safetensors.torch import save_file
from torch.utils._python_dispatch import TorchDispatchMode

from region_core.errors import InputError
from region_core.paper.checkpoint import FORMAT, check_replaceable, write_checkpoint
from region_core.paper.network import build_generator, load_generator, save_generator

from .parts import DIM, candidates, noise_features, rng

# --- checkpoints ------------------------------------------------------------------------------


def test_a_saved_generator_comes_back_the_same_and_can_learn_on(tmp_path):
    module = build_generator(DIM, 3, seed=9, hidden=16, pool=5)
    with torch.no_grad():
        module.linear2.weight.uniform_(-1, 1, generator=rng())
    path = tmp_path / "deep" / "generator.safetensors"
    save_generator(module, path, {"max_window_size": 15, "dino": "facebook/dino-vitb8"})
    with torch.inference_mode():
        again, settings = load_generator(path, feature_dim=DIM, sizes=3)
    assert settings == {"max_window_size": 15, "dino": "facebook/dino-vitb8"}
    assert again.config == module.config
    features, found = noise_features(), candidates()
    assert torch.equal(again(features, found.cells), module(features, found.cells))
    optimizer = torch.optim.Adam(again.parameters(), lr=5e-3)
    again(features, found.cells)[0, 0].backward()
    optimizer.step()
    assert not torch.equal(again.linear2.weight, module.linear2.weight)


@pytest.mark.parametrize("wanted", [{"feature_dim": 13}, {"sizes": 4}])
def test_a_checkpoint_that_does_not_fit_is_refused_by_name_and_numbers(tmp_path, wanted):
    save_generator(build_generator(DIM, 3, seed=0), tmp_path / "g.safetensors", {})
    ((name, value),) = wanted.items()
    with pytest.raises(InputError, match=rf"{name} = \d+, this run needs {value}"):
        load_generator(tmp_path / "g.safetensors", **wanted)


def test_a_file_of_another_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        load_generator(tmp_path / "missing.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(InputError, match="not a safetensors"):
        load_generator(tmp_path / "text.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="other weights"):
        load_generator(tmp_path / "other.safetensors")


GOOD = {"feature_dim": 12, "sizes": 3, "hidden": 8, "pool": 5}
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("config", "says"),
    [
        *((GOOD | {name: 0}, "does not say what shape") for name in GOOD),
        (GOOD | {"pool": -1}, "does not say what shape"),
        (GOOD | {"extra_dim": 0}, "does not say what shape"),
        (GOOD | {"hidden": "8"}, "does not say what shape"),
        (GOOD | {"hidden": 8.0}, "does not say what shape"),
        (GOOD | {"more": 1}, "does not say what shape"),
        ([1], "does not say what shape"),
        (GOOD | {"hidden": 9}, "does not match its own description"),
        (GOOD | {"hidden": 3_000_000, "pool": 1000}, "does not match its own description"),
        (GOOD | {"hidden": 10**40}, "does not match its own description"),
    ],
)
def test_a_strangers_file_is_refused_before_anything_of_its_shape_is_built(tmp_path, config, says):
    tensors = build_generator(seed=0, **GOOD).state_dict()
    write_checkpoint(tmp_path / "g.safetensors", tensors, {"config": config})
    with Made() as made, pytest.raises(InputError, match=says):
        load_generator(tmp_path / "g.safetensors")
    assert not made.drawn, "a network of that shape was built"


class Made(TorchDispatchMode):
    """Counts weights that are drawn where there is memory for them."""

    drawn = 0

    def __torch_dispatch__(self, call, types, args=(), kwargs=None):
        if "uniform_" in str(call) and args[0].device.type != "meta":
            self.drawn += 1
        return call(*args, **(kwargs or {}))


def test_descriptions_of_another_kind_and_weights_that_are_no_numbers_are_refused(tmp_path):
    path, tensors = tmp_path / "g.safetensors", build_generator(seed=0, **GOOD).state_dict()
    write_checkpoint(path, tensors, {"config": GOOD, "settings": [1]})
    with pytest.raises(InputError, match="does not say"):
        load_generator(path)
    save_file(tensors, path, {"format": FORMAT, "config": DEEP})
    with pytest.raises(InputError, match="description in the file .* is damaged"):
        load_generator(path)
    tensors["project.bias"][0] = torch.nan
    write_checkpoint(path, tensors, {"config": GOOD})
    with pytest.raises(InputError, match="NaN"):
        load_generator(path)


def test_settings_that_are_no_plain_values_are_refused_and_the_file_stays(tmp_path):
    path = tmp_path / "g.safetensors"
    save_generator(build_generator(DIM, 3, seed=0), path, {"round": 1})
    with pytest.raises(InputError, match="plain numbers"):
        save_generator(build_generator(DIM, 3, seed=1), path, {"bad": object()})
    assert [p.name for p in tmp_path.iterdir()] == ["g.safetensors"]
    assert load_generator(path)[1] == {"round": 1}


def test_only_what_is_a_generator_may_be_replaced(tmp_path):
    path = tmp_path / "g.safetensors"
    check_replaceable(path)
    path.touch()
    check_replaceable(path)  # empty: nothing is lost
    save_generator(build_generator(DIM, 3, seed=0), path, {})
    check_replaceable(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="is no region generator and would be lost"):
        check_replaceable(path)
    path.write_text("notes")
    with pytest.raises(InputError, match="is no region generator and would be lost"):
        check_replaceable(path)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="nothing is forbidden to this user")
def test_a_file_that_may_not_be_read_is_not_called_another_kind_and_stays(tmp_path):
    path = tmp_path / "g.safetensors"
    save_generator(build_generator(DIM, 3, seed=0), path, {})
    path.chmod(0)
    with pytest.raises(InputError, match="cannot be read .*Permission denied.* might be lost"):
        check_replaceable(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_only_a_file_is_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(InputError, match="would be lost"):
        check_replaceable(tmp_path / "pipe.safetensors")
