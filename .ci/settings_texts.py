"""Writes what is said of settings elsewhere from `region_core.settings`; `--check` only compares.

In `locales/`: the tooltips of their widgets. In the nodes' help pages: lists of inputs and outputs, from the locales,
between the marks. In `docs/command-line.md`: the tables of the options, from the commands,
between the marks.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from region_core.cli.options import program  # noqa: E402
from region_core.settings import SETTINGS  # noqa: E402

DOCS = ROOT / "docs" / "command-line.md"
HELP = ROOT / "nodes" / "web" / "docs"
_WORDS = {  # of help pages: head of the inputs, of the outputs, what parts a name from its meaning
    "en": ("**Inputs**", "**Outputs**", ": "),
    "zh": ("**输入**", "**输出**", "："),
}
_NESTED = "preset_"  # before the names of inputs that a preset shows: the front end writes a point as a line


def locale(language: str) -> tuple[Path, str]:
    """(the file of a language, its text with the settings' tooltips as they should be)."""
    path = ROOT / "locales" / language / "nodeDefs.json"
    nodes = json.loads(path.read_text(encoding="utf-8"))
    for one in SETTINGS.values():
        if one.widget:
            node, _, own = one.widget.partition(".")
            inputs = nodes[f"LearnableRegions_{node}"]["inputs"]
            inputs[own if own in inputs else _NESTED + own]["tooltip"] = getattr(one, language)
    return path, json.dumps(nodes, ensure_ascii=False, indent=2) + "\n"


def help_pages(language: str, nodes: dict[str, Any], ids: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """(the help page of each node in a language, its text as it should be); `nodes` are that locale's, `ids` the
    English one's, whose outputs bear their ids."""
    inputs_head, outputs_head, colon = _WORDS[language]

    def line(key: str, one: dict[str, str]) -> str:
        nested, key = key.startswith(_NESTED), key.removeprefix(_NESTED)
        own = "" if key == one["name"] else f"{one['name']} "
        return f"{'  ' if nested else ''}- {own}`{key}`{colon}{one['tooltip']}"

    for name, node in nodes.items():
        path = HELP / f"{name}.md" if language == "en" else HELP / name / f"{language}.md"
        inputs = [line(key, one) for key, one in node["inputs"].items()]
        outputs = [line(ids[name]["outputs"][place]["name"], one) for place, one in node["outputs"].items()]
        parts = ["<!-- sockets -->"]
        for head, lines in ((inputs_head, inputs), (outputs_head, outputs)):
            parts += [head, "\n".join(lines)] if lines else []
        before, _, rest = path.read_text(encoding="utf-8").partition(parts[0])
        yield path, before + "\n\n".join(parts) + "\n\n<!-- end -->" + rest.partition("<!-- end -->")[2]


def options(command: str) -> str:
    """The options of a command as a table; those of `edit` are not said again of another command."""
    commands = program().commands
    said = {one.name for one in commands["edit"].params if not getattr(one, "hidden", False) and one.name != "pick"}
    lines = ["| option | default | meaning |", "|---|---|---|"]
    for one in commands[command].params:
        if not isinstance(one, click.Option) or one.hidden or command != "edit" and one.name in said:
            continue
        names = ", ".join(f"`{name}`" for name in [*one.opts, *one.secondary_opts])
        default = one.show_default if isinstance(one.show_default, str) else one.default
        text = (one.help or "").replace("|", "\\|")
        lines.append(
            f"| {names} | {default if isinstance(default, int | str) and default is not False else ''} | {text} |"
        )
    return "\n".join(lines)


def page() -> tuple[Path, str]:
    """(the page on the command line, its text with the tables as they should be)."""

    def table(found: re.Match[str]) -> str:
        return f"{found[1]}\n{options(found[2])}\n{found[3]}"

    text = DOCS.read_text(encoding="utf-8")
    return DOCS, re.sub(r"(<!-- options of (\w+) -->)\n.*?(<!-- end -->)", table, text, flags=re.S)


def main() -> int:
    """Write or compare; 1 where something differs."""
    wanted = [locale("en"), locale("zh"), *([page()] if DOCS.is_file() else [])]
    texts = {language: json.loads(text) for language, (_, text) in zip(("en", "zh"), wanted, strict=False)}
    for language, nodes in texts.items():
        wanted += help_pages(language, nodes, texts["en"])
    differ = [(path, text) for path, text in wanted if path.read_text(encoding="utf-8") != text]
    for path, text in differ:
        print(f"{path.relative_to(ROOT)} is not what region_core.settings says")
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    return int(bool(differ) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
