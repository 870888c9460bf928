"""Where the time goes, and how cost grows with work."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest

from benchmark import __main__ as command
from benchmark import cost
from benchmark.cost import AXES, FACTORS, Clock, Cost, exponent, memory, plan
from region_core.demo.models import shapes_settings

POINT = Cost("anchors", 1, 32, 8, 128, 16, 200, 2.0, 1.2, 0.2, 0.5, 0.05, 300.0)


class Machine:
    def outer(self) -> str:
        time.sleep(0.02)
        return self.inner() + "!"

    def inner(self) -> str:
        time.sleep(0.02)
        return "done"


def test_the_clock_counts_nested_calls_once_and_leaves_no_trace() -> None:
    machine, clock = Machine(), Clock()
    with clock.watching({"a": [(machine, "outer")], "b": [(machine, "inner")]}):
        assert machine.outer() == "done!"
        within = dict(clock.seconds)
        machine.inner()
    assert within["a"] > 0
    assert within["b"] == 0
    assert clock.seconds["b"] > 0
    assert vars(machine) == {}


def test_the_clock_stops_when_a_call_raises() -> None:
    machine, clock = Machine(), Clock()
    machine.inner = None  # type: ignore[assignment,method-assign]
    with pytest.raises(TypeError), clock.watching({"a": [(machine, "outer")]}):
        machine.outer()
    machine.__dict__.clear()
    with clock.watching({"b": [(machine, "inner")]}):
        machine.inner()
    assert clock.seconds["b"] > 0


def test_each_axis_grows_its_own_work_and_nothing_else() -> None:
    for axis in AXES:
        points = [plan(axis, factor) for factor in FACTORS]
        settings = [shapes_settings("standard").with_values(**change) for change, _, _ in points]
        for some in settings:
            some.validate()
        work = {
            "anchors": [s.point_number for s in settings],
            "windows": [s.max_window_size for s in settings],
            "regions": [s.num_regions for s in settings],
            "previews": [s.max_previews for s in settings],
            "side": [side for _, side, _ in points],
        }
        for name, values in work.items():
            grown = [v / (values[0] or 1) for v in values]
            made = name != "previews" or axis == "previews"  # elsewhere there are none
            still = [1, 1, 1, 1] if made else [0, 0, 0, 0]
            assert grown == ([1, 2, 4, 8] if name == axis else still), (axis, name)


def test_growth_is_the_slope_on_logarithmic_axes() -> None:
    grown = [replace(POINT, factor=f, seconds=3.0 * f**2) for f in (1, 2, 4)]
    assert exponent(grown, "seconds") == pytest.approx(2)
    text = cost.report(grown)
    assert "seconds grow as the power 2.00, superlinear" in text
    flat = [replace(POINT, factor=f) for f in (1, 2, 4)]
    assert "not superlinear" in cost.report(flat)
    assert "Outside UNet, VAE and encoders: 5.0% of all seconds" in cost.report(flat)
    pictures = [replace(POINT, axis="side", factor=f, seconds=1.0 * f**2) for f in (1, 2, 4)]
    assert "not superlinear" in cost.report(pictures)  # four times the pixels, four times the time


def test_memory_is_read_where_the_system_tells() -> None:
    held, most = memory("VmRSS"), memory("VmHWM")
    assert not held > most  # or both NaN
    assert math.isnan(memory("Nothing"))


def test_a_point_is_measured_on_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = {
        "point_number": 1,
        "max_window_size": 6,
        "per_image_iteration": 1,
        "preview_steps": 1,
        "steps": 2,
        "num_regions": 1,
        "previews": "always",
    }
    monkeypatch.setattr(cost, "plan", lambda axis, factor: (tiny, 128, 16))
    got = cost.measure_point("anchors", 1, 7)
    assert (got.candidates, got.axis) == (6, "anchors")
    assert got.evaluations >= 2 + got.looks  # two steps of at least one region, and the previews
    assert min(got.unet, got.vae, got.encoders) > 0
    assert got.unet + got.vae + got.encoders < got.seconds
    assert got.share == pytest.approx(1 - (got.unet + got.vae + got.encoders) / got.seconds)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--axes", "colour"), "axes names 'colour'"),
        (("--factors", "3"), "factors names '3'"),
        (("--axes", ","), "axes names ''"),
    ],
)
def test_bad_words_are_refused(more: tuple[str, str], words: str, capsys: pytest.CaptureFixture) -> None:
    assert command.main(["cost", *more]) == 2
    assert words in capsys.readouterr().err
