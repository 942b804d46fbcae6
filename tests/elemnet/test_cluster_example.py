"""The example of docs/cluster.md, run as it stands there but for the port."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd

DOCUMENT = Path(__file__).parents[2] / "docs" / "cluster.md"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_the_example_with_two_workers_gives_what_one_process_gives(tmp_path):
    (example,) = re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    commands = example.replace("8786", str(free_port()))
    assert "--nworkers 2" in commands and "--scheduler" in commands
    script = f"set -e\ntrap 'kill $(jobs -p); wait' EXIT\n{commands}"
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    alone = next(line for line in example.splitlines() if line.startswith("elemnet")).split(" --scheduler")[0].split()
    alone[alone.index("out")] = "alone"
    subprocess.run([sys.executable, "-m", *alone], cwd=tmp_path, check=True, capture_output=True)
    parts = sorted(path.name for path in (tmp_path / "alone" / "parts").iterdir())
    assert len(parts) > 4
    for name in parts:
        assert (tmp_path / "out" / "parts" / name).read_bytes() == (tmp_path / "alone" / "parts" / name).read_bytes()
    assert len(pd.read_csv(tmp_path / "out" / "stages.csv")) == len(parts)
