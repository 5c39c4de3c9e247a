"""Draws who imports whom: `python tools/import_picture.py PACKAGE_FOLDER FILE.svg [TITLE]`.

Each room (a subpackage; modules by themselves share one) is a box with its modules. Thin lines are
imports within a room. An arrow between rooms has the number of imports that it stands for; it is
red where it points upwards. Imports that only type checkers see are left out.
"""

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

_STYLE: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",
    "svg.fonttype": "none",
    "svg.hashsalt": "imports",
}
_LINE, _BOX, _DOWN, _UP = "#8a8f98", "#eef4f7", "#0b6e99", "#c8442f"
COLUMN, ROW, MARGIN = 1.7, 0.42, 0.35
MOST_IN_A_ROW: Final = 6
ALONE: Final = "modules by themselves"
ON_TOP: Final = "on top of the rooms"

Edges = dict[str, set[str]]


@dataclass
class Box:
    """A room, and where its modules stand in it."""

    name: str
    rows: list[list[str]]
    x: float = 0.0
    y: float = 0.0
    places: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def width(self) -> float:
        """In inches, as all lengths here."""
        return COLUMN * max(len(row) for row in self.rows) + 2 * MARGIN

    @property
    def height(self) -> float:
        """With a line for the name."""
        return ROW * (len(self.rows) + 1) + 2 * MARGIN


def read(package: Path) -> Edges:
    """The modules of a package, each with those of the package that it imports."""
    sources = {
        ".".join(path.relative_to(package).with_suffix("").parts): path
        for path in sorted(package.rglob("*.py"))
        if path.stem != "__init__"
    }
    edges: Edges = {}
    for module, path in sources.items():
        named = set()
        for node in _statements(ast.parse(path.read_text(encoding="utf-8"))):
            base, _, rest = (node.module or "").partition(".")
            if base == package.name:
                named |= {rest, *(f"{rest}.{each.name}".lstrip(".") for each in node.names)}
        edges[module] = named & set(sources) - {module}
    return edges


def _statements(tree: ast.AST) -> Iterable[ast.ImportFrom]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ImportFrom):
            yield node
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield from _statements(node)


def rooms_of(edges: Edges) -> dict[str, str]:
    """The room of each module; one by itself that imports from rooms is on top of them."""
    found = {module: module.partition(".")[0] for module in edges if "." in module}
    for module in edges.keys() - found.keys():
        found[module] = ON_TOP if any("." in each for each in edges[module]) else ALONE
    return found


def depths(edges: Edges) -> dict[str, int]:
    """How many imports lie at most below each node; a circle is cut where it is entered."""
    found: dict[str, int] = {}

    def depth(node: str, above: frozenset[str]) -> int:
        if node not in found:
            below = edges.get(node, set()) - above - {node}
            found[node] = max((depth(each, above | {node}) + 1 for each in below), default=0)
        return found[node]

    for node in sorted(edges):
        depth(node, frozenset())
    return found


def draw(edges: Edges, target: Path, title: str) -> None:
    """Write the picture as SVG."""
    room_of = rooms_of(edges)
    between = Counter(
        (room_of[module], room_of[each]) for module, imported in edges.items() for each in imported
    )
    rooms: Edges = {name: set() for name in room_of.values()}
    for upper, lower in between:
        rooms[upper] |= {lower} - {upper}
    boxes = _arranged(edges, room_of, depths(rooms))
    with mpl.rc_context(_STYLE):
        width = max(box.x + box.width for box in boxes.values())
        height = max(box.y + box.height for box in boxes.values())
        figure = Figure(figsize=(width, height + 0.5), layout="constrained")
        axes = figure.subplots()
        axes.set(xlim=(0, width), ylim=(0, height), aspect="equal", title=title)
        axes.axis("off")
        for box in boxes.values():
            _draw_box(axes, box, edges)
        for (upper, lower), count in sorted(between.items()):
            if upper != lower:
                _draw_arrow(axes, boxes[upper], boxes[lower], count)
        figure.savefig(target, format="svg", metadata={"Date": None})


def _arranged(edges: Edges, room_of: dict[str, str], ranks: dict[str, int]) -> dict[str, Box]:
    """The rooms from the ground up, those of a rank side by side."""
    boxes: dict[str, Box] = {}
    y = 0.0
    for rank in sorted(set(ranks.values())):
        x = 0.0
        names = sorted(name for name, its in ranks.items() if its == rank)
        for name in names:
            inside = {module for module in edges if room_of[module] == name}
            box = Box(name, _rows({module: edges[module] & inside for module in inside}), x, y)
            for line, row in enumerate(box.rows):
                for column, module in enumerate(row):
                    left = box.width / 2 + (column - (len(row) - 1) / 2) * COLUMN
                    box.places[module] = (x + left, y + MARGIN + ROW * (line + 0.5))
            boxes[name] = box
            x += box.width + 0.8
        y += max(boxes[name].height for name in names) + 0.9
    return boxes


def _rows(edges: Edges) -> list[list[str]]:
    by_depth: dict[int, list[str]] = defaultdict(list)
    for module, depth in sorted(depths(edges).items()):
        by_depth[depth].append(module)
    return [
        by_depth[depth][start : start + MOST_IN_A_ROW]
        for depth in sorted(by_depth)
        for start in range(0, len(by_depth[depth]), MOST_IN_A_ROW)
    ]


def _draw_box(axes: Axes, box: Box, edges: Edges) -> None:
    shape = FancyBboxPatch(
        (box.x, box.y), box.width, box.height, "round,pad=0,rounding_size=0.15", fc=_BOX, ec=_DOWN
    )
    axes.add_patch(shape)
    top = box.y + box.height - MARGIN
    axes.text(box.x + box.width / 2, top, box.name, ha="center", va="center", weight="bold")
    for module, (x, y) in box.places.items():
        for each in edges[module] & set(box.places):
            axes.plot(*zip((x, y), box.places[each], strict=True), color=_LINE, lw=0.6, zorder=2)
        label = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": _LINE, "lw": 0.5}
        name = module.rpartition(".")[2]
        axes.text(x, y, name, ha="center", va="center", fontsize=8, bbox=label, zorder=3)


def _draw_arrow(axes: Axes, start: Box, end: Box, count: int) -> None:
    is_down = end.y < start.y
    begin = (start.x + start.width / 2, start.y if is_down else start.y + start.height)
    finish = (end.x + end.width / 2, end.y + end.height if is_down else end.y)
    arrow = FancyArrowPatch(
        begin,
        finish,
        arrowstyle="-|>",
        mutation_scale=12,
        lw=0.8 + count / 8,
        color=_DOWN if is_down else _UP,
        connectionstyle="arc3,rad=0.08",
        alpha=0.7,
        zorder=4,
    )
    axes.add_patch(arrow)
    x, y = begin[0] * 0.7 + finish[0] * 0.3, begin[1] * 0.7 + finish[1] * 0.3
    axes.text(x, y, str(count), fontsize=8, ha="center", va="center", zorder=5)


def main(arguments: list[str]) -> int:
    """Draw one package; returns the exit code."""
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)  # noqa: T201
        return 2
    package, target = Path(arguments[0]), Path(arguments[1])
    draw(read(package), target, arguments[2] if len(arguments) == 3 else package.name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
