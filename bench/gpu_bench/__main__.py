"""`python3 -m gpu_bench`: unpack the kit, find CUDA's libraries, and measure with both."""

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import NoReturn

from gpu_bench import kit, libraries
from gpu_bench.drawing import draw
from gpu_bench.errors import Unprepared
from gpu_bench.options import parser


def main(arguments: Sequence[str]) -> NoReturn:
    """The measuring takes this process over."""
    options = parser().parse_args(arguments)
    if options.draw:
        sys.exit(draw(options.draw))
    try:
        environment = _prepared(options)
    except Unprepared as error:
        sys.exit(str(error))
    command = [sys.executable, "-P", "-m", "gpu_bench.run", *arguments]
    os.execve(sys.executable, command, environment)  # noqa: S606  no shell is wanted


def _prepared(options: Namespace) -> dict[str, str]:
    """Unpack the kit; returns the environment in which it and CUDA's libraries are found."""
    kit.read_facts(options.kit)
    found = libraries.folders(os.environ, sys.path, libraries.known_to_loader())
    place = options.kit.resolve().with_name(f"{options.kit.resolve().name}.unpacked")
    kit.unpack(options.kit, place)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(kit.python_path(place)),
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, [place / "llama_cpp" / "lib", *found])),
        "LLAMA_SERVER": str(place / "server" / kit.SERVER),
        **({"CUDA_VISIBLE_DEVICES": "-1"} if options.cpu else {}),
    }
    libraries.try_loading(environment)
    return environment


if __name__ == "__main__":
    main(sys.argv[1:])
