"""Painting regions: crops, borders, the painter protocol, a painter by diffusers."""

from .crop import Crop, crop_region, is_paintable, stitch
from .paint import Edit, paint_regions
from .painter import Painter, StepInfo

__all__ = ["Crop", "Edit", "Painter", "StepInfo", "crop_region", "is_paintable", "paint_regions", "stitch"]
