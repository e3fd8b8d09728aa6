"""The wheel in an empty environment, without a network: the code of the README runs there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

PACKAGE = ROOT / "clients/python"


@pytest.mark.skipif("WHEELS" not in os.environ, reason="the wheels are made by ./check")
def test_readme(server: int, tmp_path: Path) -> None:
    wheels = os.environ["WHEELS"]
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}

    def run(*command: str | Path) -> str:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "-m", "venv", tmp_path / "empty")
    python = tmp_path / "empty/bin/python"
    run(python, "-m", "pip", "install", "--no-index", "--find-links", wheels, "tactful[types]")

    code = "\n".join(re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL))
    code = code.replace("http://127.0.0.1:50051", f"http://127.0.0.1:{server}").replace('ca="ca.pem"', "ca=None")
    (tmp_path / "readme.py").write_text(code)
    run(sys.executable, "-m", "mypy", "--strict", "--python-executable", python, tmp_path / "readme.py")
    if shutil.which("node"):
        run(sys.executable, "-m", "pyright", "--pythonpath", python, tmp_path / "readme.py")
    assert run(python, tmp_path / "readme.py").splitlines() == [
        "speed-test: Measure your line now: half a minute, and nothing is kept.",
        "preview: 1",
        "may be used: True",
        "UNKNOWN_CHANNEL INVALID_ARGUMENT channel",
        "['speed-test']",
    ]
