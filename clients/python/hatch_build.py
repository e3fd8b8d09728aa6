"""Generates the stubs of the protocol into src/tactful/v1, from proto/ of the repository or of the sdist."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_OUTPUTS = ("python_out=", "grpc_python_out=", "mypy_out=quiet:", "mypy_grpc_out=quiet:")


class Stubs(BuildHookInterface[Any]):
    """Runs protoc before anything is packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Generate messages, stubs, and their types."""
        if self.target_name == "sdist":
            return
        from importlib.resources import files  # noqa: PLC0415

        from grpc_tools import protoc  # noqa: PLC0415

        root = Path(self.root)
        proto = next(path for path in (root / "proto", root.parent.parent / "proto") if path.is_dir())
        sources = [str(path) for path in sorted(proto.glob("tactful/v1/*.proto"))]
        includes = [f"-I{proto}", f"-I{files('grpc_tools').joinpath('_proto')}"]
        outputs = [f"--{kind}{root / 'src'}" for kind in _OUTPUTS]
        if protoc.main(["protoc", *includes, *outputs, *sources]) != 0:
            raise RuntimeError("protoc failed")
        # The option `class` gets the name of a keyword there.
        options = root / "src/tactful/v1/options_pb2.pyi"
        lines = options.read_text().splitlines(keepends=True)
        options.write_text("".join(line for line in lines if not line.startswith("class:")))
