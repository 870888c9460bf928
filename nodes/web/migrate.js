// Workflows saved before presets showed their own inputs: widget values are saved by their place, and here get their new one.
import { app } from "../../scripts/app.js";

const EDIT = "LearnableRegions_RegionInpaintOptimize";
const OLD = [
    "preset", "seed", "control", "steps", "cfg", "sampler_name", "scheduler", "denoise", "mask_grow", "mask_feather",
    "per_image_iteration", "lr", "looks_per_round", "look_steps", "look_guidance", "finalists", "drafts",
    "generator_steps", "test_alpha", "test_beta", "test_gamma", "learning", "native_size", "screen", "previews",
    "mask_grow_percent", "mask_feather_percent",
];
const NESTED = {
    custom: (old) => [old.finalists, old.test_alpha, old.test_beta],
    paper: () => [9, 10, 0.005, "gumbel", 8, 2.0, 1.0, 1.0, 1.0, 2, 2.0, 1.0],
};
const GONE = {
    LearnableRegions_RegionGenerator: ["point_number", "seed"],
    LearnableRegions_ClipRegionLoss: ["loss_alpha", "loss_beta", "loss_gamma", "views", "loss_area", "loss_crop"],
    [EDIT]: OLD.slice(10, 22).concat("screen", "previews"),
};

function migrate(node) {
    const gone = GONE[node.type];
    if (!gone) return;
    node.inputs = node.inputs?.filter((input) => !gone.includes(input.name) || input.link != null);
    const values = node.widgets_values;
    if (node.type === EDIT && values?.[0] === "fast") values[0] = "standard"; // the same but for steps, which have a widget
    if (node.type === "LearnableRegions_RegionGenerator" && values?.length > 1) node.widgets_values = [values[1]];
    // a seed's second entry stands third in an old node alone
    if (node.type !== EDIT || !Array.isArray(values) || values.length < 25 || typeof values[2] !== "string") return;
    const old = { mask_grow_percent: 10, mask_feather_percent: 15 };
    values.forEach((value, place) => { old[OLD[place]] = value; });
    node.widgets_values = [
        old.preset, ...(NESTED[old.preset]?.(old) ?? []), old.seed, old.control, old.steps, old.cfg, old.sampler_name,
        old.scheduler, old.denoise, old.mask_grow_percent, old.mask_feather_percent, "box", old.mask_grow,
        old.mask_feather, old.native_size,
    ];
}

app.registerExtension({
    name: "LearnableRegions.Migrate",
    beforeConfigureGraph(graph) {
        const graphs = [graph, ...(graph.definitions?.subgraphs ?? [])];
        graphs.flatMap((one) => one.nodes ?? []).forEach(migrate);
    },
});
