"""The nodes, one file a node; thin: read sockets, call the core, return sockets."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io


class LearnableRegions(ComfyExtension):
    """The pack as ComfyUI's V3 loader knows it."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """All nodes, in the order of a graph."""
        from .clip_region_loss import ClipRegionLoss
        from .edit_several import EditSeveralRegions
        from .editing_models import LoadEditingModels
        from .edits_list import LoadEditsList, SaveEdits
        from .find_region import FindRegion
        from .learned import LoadLearnedGenerator, SaveLearnedGenerator
        from .loaders import LoadClipScorer, LoadDinoEncoder
        from .pick_region import PickRegion
        from .region_crop import RegionCrop
        from .region_generator import LearnableRegionGenerator
        from .region_inpaint_optimize import RegionInpaintOptimize
        from .region_stitch import RegionStitch
        from .shapes_demo import LoadShapesDemo, ShapesScene

        return [
            LoadDinoEncoder,
            LoadClipScorer,
            LearnableRegionGenerator,
            ClipRegionLoss,
            RegionInpaintOptimize,
            FindRegion,
            PickRegion,
            RegionCrop,
            RegionStitch,
            EditSeveralRegions,
            LoadEditsList,
            SaveEdits,
            LoadLearnedGenerator,
            SaveLearnedGenerator,
            LoadShapesDemo,
            ShapesScene,
            LoadEditingModels,
        ]


async def comfy_entrypoint() -> LearnableRegions:
    """What ComfyUI calls to get the pack."""
    return LearnableRegions()
