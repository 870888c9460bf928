"""The settings of each step, and of the published method. A step takes its own and reads no others."""

from __future__ import annotations

from dataclasses import dataclass

from .setting import setting

LEARNING = ("exact", "gumbel", "off")
MASK_SHAPES = ("box", "object")

_GENERATOR, _EDIT = "RegionGenerator", "RegionInpaintOptimize"
_WINDOW = f"{_GENERATOR}.max_window_size"


@dataclass(frozen=True)
class FindSettings:
    """What the search for regions reads."""

    max_window_size: int = setting(15, 1, 128, widget=_WINDOW)
    detections_only: bool = setting(False, option=False)

    @property
    def max_area(self) -> float:
        """The share of the picture that a region's box may cover: a window of 15 cells to each side of its own is the
        published grid of 32 x 32, the whole picture."""
        return min(1.0, ((self.max_window_size + 1) / 16) ** 2)


@dataclass(frozen=True)
class PaintSettings:
    """What painting regions reads."""

    steps: int = setting(20, 1, 1000, presets={"fast": 10}, widget=f"{_EDIT}.steps")
    guidance_scale: float = setting(7.5, 0, 100, step=0.1, widget=f"{_EDIT}.cfg")
    strength: float = setting(1.0, 0, 1, above=True, step=0.01, widget=f"{_EDIT}.denoise")
    num_regions: int = setting(
        1, 1, 64, presets={"quality": 3}, widget=f"{_EDIT}.num_regions", old_names=("finalists",)
    )
    grow_percent: float = setting(10.0, 0, 100, step=1, widget=f"{_EDIT}.mask_grow_percent")
    feather_percent: float = setting(15.0, 0, 100, step=1, widget=f"{_EDIT}.mask_feather_percent")
    grow: int = setting(0, 0, 4096, widget=f"{_EDIT}.mask_grow")
    feather: int = setting(0, 0, 4096, widget=f"{_EDIT}.mask_feather")
    mask_shape: str = setting("box", choices=MASK_SHAPES, widget=f"{_EDIT}.mask_shape")


@dataclass(frozen=True)
class RankSettings:
    """Weights of the final score, by which painted regions are put in order."""

    test_alpha: float = setting(2.0, 0, 1000, step=0.05, widget=f"{_EDIT}.test_alpha")
    test_beta: float = setting(1.0, 0, 1000, step=0.05, widget=f"{_EDIT}.test_beta")


@dataclass(frozen=True)
class PaperSettings:
    """What the published method reads beside how it paints and ranks."""

    point_number: int = setting(9, 1, 256, widget=f"{_EDIT}.point_number")
    max_window_size: int = setting(15, 1, 128, widget=_WINDOW)
    anchor_distance: float = setting(2.0, 0, 128, step=0.5, widget=f"{_EDIT}.anchor_distance")
    per_image_iteration: int = setting(10, 1, 1000, widget=f"{_EDIT}.per_image_iteration")
    lr: float = setting(5e-3, 0, 10, above=True, step=1e-4, widget=f"{_EDIT}.lr")
    learning: str = setting("gumbel", choices=LEARNING, widget=f"{_EDIT}.learning")
    generator_steps: int = setting(8, 0, 10_000, widget=f"{_EDIT}.generator_steps")
    loss_alpha: float = setting(1.0, 0, 1000, step=0.05, widget=f"{_EDIT}.loss_alpha")
    loss_beta: float = setting(1.0, 0, 1000, step=0.05, widget=f"{_EDIT}.loss_beta")
    loss_gamma: float = setting(1.0, 0, 1000, step=0.05, widget=f"{_EDIT}.loss_gamma")
    views: int = setting(2, 1, 64, widget=f"{_EDIT}.views")

    @property
    def learns(self) -> bool:
        """Whether the region generator is taught at all."""
        return self.learning != "off" and self.generator_steps > 0

    @property
    def losses_are_off(self) -> bool:
        """Whether nothing is left to learn from."""
        return not (self.loss_alpha or self.loss_beta or self.loss_gamma)
