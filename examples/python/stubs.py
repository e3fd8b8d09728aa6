"""Makes Python stubs from the .proto files of this repository, in a temporary folder, each time a program starts.

Fine for an example. In your own project run the same once and ship the result:

    python -m grpc_tools.protoc -I proto --python_out=. --pyi_out=. --grpc_python_out=. proto/tactful/v1/*.proto
"""

import atexit
import pathlib
import shutil
import subprocess
import sys
import tempfile

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"


def make():
    """After this call `from tactful.v1 import decision_pb2` works."""
    folder = tempfile.mkdtemp(prefix="tactful-stubs-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    files = sorted(PROTO.glob("tactful/v1/*.proto"))
    protoc = [sys.executable, "-m", "grpc_tools.protoc"]
    out = [f"--python_out={folder}", f"--grpc_python_out={folder}"]
    if not files or subprocess.run([*protoc, f"-I{PROTO}", *out, *files]).returncode != 0:
        sys.exit(f"no stubs could be made from {PROTO}; did you `pip install -r requirements.txt`?")
    sys.path.insert(0, folder)
