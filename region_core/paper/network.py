"""The learnable region generator (the paper's step 3): features in a box -> how good a box is."""

from __future__ import annotations

from pathlib import Path
from typing import TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..boxes import cut_squares
from ..defaults import plain_defaults
from ..errors import InputError
from ..settings import PaperSettings
from .checkpoint import read_checkpoint, write_checkpoint


class RegionGenerator(nn.Module):
    """Logits over M box sizes at each anchor, from RoI-pooled features.

    The pooled maps of an anchor's M boxes are concatenated over channels and go through two convolutions and two linear
    layers with ReLU between, as in the paper. One thing is added: a 1x1 convolution first brings the D feature channels
    down to 16, since M * D channels (15 * 768) would make the network larger than what it learns from.
    """

    PROJECTED = 16

    def __init__(self, feature_dim: int, sizes: int, hidden: int = 64, pool: int = 7) -> None:
        super().__init__()
        self.feature_dim, self.sizes, self.hidden = feature_dim, sizes, hidden
        self.pool = pool
        self.project = nn.Conv2d(feature_dim, self.PROJECTED, 1, dtype=torch.float32)
        self.conv1 = nn.Conv2d(sizes * self.PROJECTED, hidden, 3, padding=1, dtype=torch.float32)
        self.conv2 = nn.Conv2d(hidden, hidden, 3, padding=1, dtype=torch.float32)
        self.linear1 = nn.Linear(hidden * pool * pool, hidden, dtype=torch.float32)
        self.linear2 = nn.Linear(hidden, sizes, dtype=torch.float32)

    @property
    def config(self) -> dict[str, int]:
        """The arguments that build a network of this shape."""
        names = ("feature_dim", "sizes", "hidden", "pool")
        return {name: int(getattr(self, name)) for name in names}

    def forward(self, features: Tensor, cells: Tensor) -> Tensor:
        """features [D, h, w], cells [K*M, 4] xyxy in cells -> [K, M].

        Candidate j = k * M + m fills row k, column m. InputError where a shape does not fit.
        """
        self._check(features, cells)
        return self.judge_pooled(self.pool_boxes(features, cells))

    def pool_boxes(self, features: Tensor, cells: Tensor) -> Tensor:
        """features [D, h, w], cells [K*M, 4] -> RoI-pooled maps [K*M, D, p, p]; nothing learned.

        Pooling is linear, so the learned projection may come after it: while the generator is
        taught the boxes are pooled once and not at every step.
        """
        # Unit length a cell (times sqrt D): the scale of the backbone's features no longer matters.
        scaled = F.normalize(features.float(), dim=0) * self.feature_dim**0.5
        return cut_squares(scaled[None], cells, self.pool)  # the boxes are in cells already

    def judge_pooled(self, pooled: Tensor) -> Tensor:
        """Pooled maps [K*M, D, p, p] -> logits [K, M]."""
        anchors = pooled.shape[0] // self.sizes
        projected = self.project(pooled)
        # [K*M, C, p, p] -> [K, M*C, p, p]: candidates are anchor-major, so a row is one anchor's.
        x = projected.reshape(anchors, self.sizes * self.PROJECTED, self.pool, self.pool)
        x = F.relu(self.conv2(F.relu(self.conv1(x)))).flatten(1)
        return self.linear2(F.relu(self.linear1(x)))

    def _check(self, features: Tensor, cells: Tensor) -> None:
        if features.ndim != 3 or features.shape[0] != self.feature_dim:
            raise InputError(
                f"The features have shape {tuple(features.shape)}, this generator takes "
                f"[{self.feature_dim}, h, w]; use the DINO model it was built for."
            )
        if cells.ndim != 2 or cells.shape[1] != 4 or cells.shape[0] % self.sizes:
            raise InputError(
                f"The candidates have shape {tuple(cells.shape)}, this generator takes [n, 4] with "
                f"n a multiple of {self.sizes}; use the window sizes it was built for."
            )


@plain_defaults
def build_generator(
    feature_dim: int, sizes: int, seed: int, *, hidden: int = 64, pool: int = 7, device: torch.device | str = "cpu"
) -> RegionGenerator:
    """A new generator whose weights depend on `seed` alone and can be trained.

    Its last layer is 0: it prefers no box until it has been taught.

    Callable inside `torch.inference_mode()` (where ComfyUI runs nodes): the weights are made
    outside it, or they would silently never learn. The global random state stays as it was.
    """
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        module = RegionGenerator(feature_dim, sizes, hidden, pool)
        source = torch.Generator("cpu").manual_seed(seed)
        with torch.no_grad():
            for layer in module.modules():
                if isinstance(layer, nn.Conv2d | nn.Linear):
                    bound = layer.weight[0].numel() ** -0.5  # torch's own default for these
                    layer.weight.uniform_(-bound, bound, generator=source)
                    if layer.bias is not None:
                        layer.bias.uniform_(-bound, bound, generator=source)
            # What a fresh network would say by chance must not send the first edits anywhere.
            for weights in module.linear2.parameters():
                weights.zero_()
        return module.to(device)


def save_generator(module: RegionGenerator, path: str | Path, settings: dict, lessons: dict | None = None) -> None:
    """Write weights and shape, with `settings` (anything JSON can hold), as safetensors.

    `lessons` may say on what it was taught; loading needs none. The file appears whole or not at
    all. InputError where it cannot be written.
    """
    write_checkpoint(
        path, module.state_dict(), {"config": module.config, "settings": settings, "lessons": lessons or {}}
    )


def load_generator(
    path: str | Path,
    *,
    feature_dim: int | None = None,
    sizes: int | None = None,
    device: torch.device | str = "cpu",
    finite: bool = True,
) -> tuple[RegionGenerator, dict]:
    """(generator, settings) as saved; it can be trained on, also inside inference mode.

    The keyword arguments say what it must fit: InputError names the first that differs, and with `finite`
    a file whose weights are not all numbers.
    """
    tensors, metadata = read_checkpoint(path)
    config, settings = metadata.get("config"), metadata.get("settings", {})
    if not _is_config(config) or not isinstance(settings, dict):
        raise InputError(
            f"The file '{path}' does not say what shape its generator has; name a checkpoint saved by this project."
        )
    check_shape(config, f"The generator in '{path}' was saved with", feature_dim, sizes)
    if not _fits(config, tensors):
        raise InputError(f"The generator in '{path}' does not match its own description; save it again.")
    if finite and not all(bool(weights.isfinite().all()) for weights in tensors.values()):
        raise InputError(f"The generator in '{path}' holds weights that are not numbers (NaN); save it again.")
    module = build_generator(seed=0, device=device, **config)
    with torch.inference_mode(False):
        module.load_state_dict(tensors)
    return module, settings


def _is_config(config: object) -> TypeGuard[dict[str, int]]:
    """Whether it says, of a file by anybody, what shape a generator has."""
    return (
        isinstance(config, dict)
        and config.keys() == {"feature_dim", "sizes", "hidden", "pool"}
        and all(type(value) is int and value > 0 for value in config.values())
    )


def _fits(config: dict[str, int], tensors: dict[str, Tensor]) -> bool:
    """Whether weights are those of a generator of that shape, which takes no memory to know."""
    try:
        with torch.device("meta"):
            wanted = RegionGenerator(**config).state_dict()
    except (TypeError, RuntimeError, OverflowError):  # numbers that no tensor can have
        return False
    return {name: value.shape for name, value in wanted.items()} == {
        name: value.shape for name, value in tensors.items()
    }


def check_fit(module: RegionGenerator, option: str, feature_dim: int, settings: PaperSettings) -> None:
    """Raise InputError where a loaded generator reads other features or sizes than a run has."""
    check_shape(module.config, f"The generator of {option} was saved with", feature_dim, settings.max_window_size)


def check_shape(config: dict, saved: str, feature_dim: int | None, sizes: int | None) -> None:
    """Raise InputError, beginning with `saved`, where a generator's `config` differs from what is wanted; None
    wants nothing."""
    ways = {
        "feature_dim": (feature_dim, "use the DINO model it was saved with"),
        "sizes": (sizes, "use the max_window_size it was saved with"),
    }
    for name, (wanted, way_out) in ways.items():
        if wanted is not None and config.get(name) != wanted:
            raise InputError(
                f"{saved} {name} = {config.get(name)}, this run needs {wanted}; {way_out}, or start without it."
            )
