"""A started ComfyUI server with the pack beside a decoy, and a client that listens to it."""

from __future__ import annotations

import asyncio
import fnmatch
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

PACK_FOLDER = "learnable-regions"  # no name that Python could import; the path has a space too
DECOY = """
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import region_core

assert region_core.DECOY


class Decoy:
    RETURN_TYPES = ()
    FUNCTION = "run"
    CATEGORY = "decoy"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def run(self):
        return ()


NODE_CLASS_MAPPINGS = {"DecoyNode": Decoy}
"""


def install(pack: Path, custom_nodes: Path) -> Path:
    """Copy what the registry would ship, and put a decoy beside it that is loaded first.

    The decoy has modules of the names `nodes`, `utils` and `region_core` and puts itself at the head
    of `sys.path`, as packs in the wild do.
    """
    ignored = [line.rstrip("/") for line in (pack / ".comfyignore").read_text().split()]

    def skip(_folder: str, names: list[str]) -> set[str]:
        return {name for name in names if name.startswith(".") or any(fnmatch.fnmatch(name, one) for one in ignored)}

    folder = custom_nodes / PACK_FOLDER
    shutil.copytree(pack, folder, ignore=skip)
    decoy = custom_nodes / "A decoy pack"
    (decoy / "region_core").mkdir(parents=True)
    for name in ("nodes.py", "utils.py", "region_core/__init__.py"):
        (decoy / name).write_text("DECOY = True\n")
    (decoy / "__init__.py").write_text(DECOY)
    return folder


@dataclass
class Heard:
    """What a client heard of one prompt."""

    status: str = ""  # success, error, interrupted, or rejected
    progress: list[tuple[str, int, int]] = field(default_factory=list)  # node, value, of how many
    frames: list[bytes] = field(default_factory=list)  # preview pictures as they were encoded
    executed: list[str] = field(default_factory=list)  # nodes that ran, in order
    cached: set[str] = field(default_factory=set)
    outputs: dict[str, dict] = field(default_factory=dict)
    refused: dict = field(default_factory=dict)  # nodes that were not run, and why not
    problem: Any = None

    def text(self, node: str) -> Any:
        """What a Preview as Text node showed, read as JSON where it is JSON."""
        shown = self.outputs[node]["text"][0]
        try:
            return json.loads(shown)
        except ValueError:
            return shown


class Client:
    """Talks to a server as a browser or a script does."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str) -> bytes:
        """The body of a page; urllib's HTTPError where there is none."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return answer.read()

    def json(self, path: str) -> Any:
        """The body of a page, decoded."""
        return json.loads(self.get(path))

    def picture(self, output: dict) -> bytes:
        """A picture that an output node wrote: {filename, subfolder, type}."""
        return self.get("/view?" + urlencode(output))

    def upload(self, name: str, png: bytes) -> str:
        """Put a picture into ComfyUI's input folder; its name there, for Load Image."""
        edge = uuid.uuid4().hex
        body = (
            (
                f'--{edge}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
                f"Content-Type: image/png\r\n\r\n"
            ).encode()
            + png
            + f"\r\n--{edge}--\r\n".encode()
        )
        request = urllib.request.Request(
            self.url + "/upload/image", body, {"Content-Type": f"multipart/form-data; boundary={edge}"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())["name"]

    def run(self, graph: dict, on_frame: Callable[[int], None] | None = None, seconds: float = 900) -> Heard:
        """Queue a prompt and listen until it has ended; `on_frame(n)` at each preview frame."""
        return asyncio.run(asyncio.wait_for(self._run(graph, on_frame), seconds))

    def interrupt(self) -> None:
        """What the Cancel button does."""
        urllib.request.urlopen(
            urllib.request.Request(self.url + "/interrupt", b"{}", method="POST"), timeout=60
        ).close()

    def forget(self) -> None:
        """Empty the server's cache of outputs, so that the next prompt runs whole."""
        urllib.request.urlopen(
            urllib.request.Request(
                self.url + "/free", b'{"free_memory": true}', {"Content-Type": "application/json"}, method="POST"
            ),
            timeout=60,
        ).close()
        # it is done between two prompts, so this one goes first
        self.run(
            {
                "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
                "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
            }
        )

    async def _run(self, graph: dict, on_frame: Callable[[int], None] | None) -> Heard:
        import aiohttp

        heard, client = Heard(), uuid.uuid4().hex
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{self.url}/ws?clientId={client}", max_msg_size=0) as socket_,
        ):
            async with session.post(f"{self.url}/prompt", json={"prompt": graph, "client_id": client}) as answer:
                body = await answer.json()
            heard.refused = body.get("node_errors", {})
            if "prompt_id" not in body:
                heard.status, heard.problem = "rejected", body
                return heard
            async for message in socket_:
                if message.type == aiohttp.WSMsgType.BINARY:
                    heard.frames.append(message.data[8:])  # after the kind of event and of picture
                    if on_frame:
                        on_frame(len(heard.frames))
                elif message.type == aiohttp.WSMsgType.TEXT and _hear(
                    heard, json.loads(message.data), body["prompt_id"]
                ):
                    break
            history: dict = {}
            while body["prompt_id"] not in history:  # it is written after the last message
                async with session.get(f"{self.url}/history/{body['prompt_id']}") as answer:
                    history = await answer.json()
                await asyncio.sleep(0.05)
        heard.outputs = history[body["prompt_id"]]["outputs"]
        return heard


def _hear(heard: Heard, message: dict, prompt: str) -> bool:
    """Note a message; True where the prompt has ended."""
    kind, data = message["type"], message["data"]
    if data.get("prompt_id") not in (None, prompt):
        return False
    if kind == "progress":
        heard.progress.append((data["node"], data["value"], data["max"]))
    elif kind == "execution_cached":
        heard.cached |= set(data["nodes"])
    elif kind == "executing" and data["node"] is not None:
        heard.executed.append(data["node"])
    elif kind in ("execution_success", "execution_error", "execution_interrupted"):
        heard.status = kind.removeprefix("execution_")
        heard.problem = data.get("exception_message")
        return True
    return False


class Server(Client):
    """ComfyUI as a process of its own, on a free port, with a base folder of its own."""

    def __init__(self, comfyui: Path, pack: Path, base: Path) -> None:
        self.comfyui, self.base = comfyui, base
        (base / "custom_nodes").mkdir(parents=True)
        install(pack, base / "custom_nodes")
        shutil.copytree(comfyui / "input", base / "input")
        settings = base / "user" / "default" / "comfy.settings.json"
        settings.parent.mkdir(parents=True)
        # the template browser opens when it is asked for, not by itself on a first visit
        settings.write_text(json.dumps({"Comfy.TutorialCompleted": True}))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        super().__init__(f"http://127.0.0.1:{port}")
        self.log = base / "server.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "main.py",
                    "--cpu",
                    "--base-directory",
                    str(base),
                    "--port",
                    str(port),
                    "--disable-api-nodes",
                    "--database-url",
                    "sqlite:///:memory:",
                    "--disable-auto-launch",
                ],
                cwd=comfyui,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HF_HUB_OFFLINE": "1", **self._own_templates()},
            )

    def _own_templates(self) -> dict[str, str]:
        """An older ComfyUI will not start beside the package of ComfyUI's templates as it is today;
        one environment serves all versions here, so that one gets a package without any."""
        reads = self.comfyui / "app" / "frontend_management.py"
        if "from comfyui_workflow_templates import" in reads.read_text(encoding="utf-8"):
            return {}
        package = self.base / "stand-in" / "comfyui_workflow_templates"
        (package / "templates").mkdir(parents=True)
        (package / "__init__.py").touch()
        return {"PYTHONPATH": str(package.parent)}

    def wait(self, seconds: float = 600) -> None:
        """Until it answers; RuntimeError with the end of its log where it never does."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            try:
                self.get("/system_stats")
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.3)
        self.stop()
        raise RuntimeError("ComfyUI did not start:\n" + self.log.read_text()[-3000:])

    def touch_models(self, workflows: list[Path]) -> None:
        """Lay empty files in the place of the models that workflows name, for lists to show."""
        for path in workflows:
            for node in json.loads(path.read_text(encoding="utf-8"))["nodes"]:
                for model in node["properties"].get("models", []):
                    file = self.base / "models" / model["directory"] / model["name"]
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.touch()

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def template_path(name: str) -> str:
    """Where a file of the pack's workflows is served."""
    return f"/api/workflow_templates/{quote(PACK_FOLDER)}/{quote(name)}"
