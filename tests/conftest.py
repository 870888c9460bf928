"""The small models that come with the pack, loaded once for all tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has its share of the cores; torch is not imported yet
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))

if TYPE_CHECKING:
    from region_core.encoders.clip import ClipScorer
    from region_core.encoders.loading import Models


@pytest.fixture(scope="session")
def models() -> Models:
    """The pipeline, DINO and CLIP of the shapes world. A test that changes one copies it first."""
    from region_core.demo.models import load_shapes_models

    return load_shapes_models()


@pytest.fixture(scope="session")
def scorer(models: Models) -> ClipScorer:
    """CLIP alone."""
    return models.scorer


@pytest.fixture(scope="session")
def pipe(models: Models) -> Any:
    """The inpainting pipeline alone."""
    return models.pipe
