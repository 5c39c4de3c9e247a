"""Counts, from Terraform's files, the resources that cost money while the system is idle."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cost_sheet.errors import CostError

_RESOURCE: Final = re.compile(r'^resource\s+"(\w+)"\s+"(\w+)"\s*\{', re.MULTILINE)
_FOR_EACH: Final = re.compile(r"^\s*for_each\s*=\s*(.+)$", re.MULTILINE)
_QUERY: Final = re.compile(r'^\s*(?:dynamic\s+"metric_query"|metric_query)\s*\{', re.MULTILINE)
_SERVICES: Final = re.compile(r"interface_services\s*=[^\[]*\[([^\]]*)\]")
_NUMBER: Final = re.compile(r"^\s*default\s*=\s*(\d+)\s*$", re.MULTILINE)
_ENTRY: Final = re.compile(r'^\s*[\w"-]+\s*=(?!=)', re.MULTILINE)
# A string or a comment; strings are kept and comments removed.
_TEXT: Final = re.compile(r'"(?:\\.|[^"\\\n])*"|(?:#|//).*$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Configured:
    """The counts and settings that determine the idle cost."""

    alarm_metrics: int
    alarms: int
    dashboards: int
    metric_filters: int
    customer_keys: int
    private_endpoints: int
    memory_mb: int
    idle_timeout_seconds: int


def read_configured(terraform: Path) -> Configured:
    """The counts of the whole composition with default variables; an upper bound.

    Raises:
        CostError: a resource cannot be counted from the text.
    """
    modules = [_Module(folder) for folder in _folders(terraform)]
    if not modules:
        raise CostError(f"There is no Terraform in {terraform}.")
    alarms = [
        (module, block, number)
        for module in modules
        for block, number in module.resources("aws_cloudwatch_metric_alarm")
    ]
    return Configured(
        # AWS charges an alarm on a computed value for each metric in the computation.
        alarm_metrics=sum(
            number * max(1, module.metrics(block)) for module, block, number in alarms
        ),
        alarms=sum(number for _, _, number in alarms),
        dashboards=_count(modules, "aws_cloudwatch_dashboard"),
        metric_filters=_count(modules, "aws_cloudwatch_log_metric_filter"),
        customer_keys=_keys(terraform, modules),
        private_endpoints=_private_endpoints(terraform / "modules" / "network"),
        memory_mb=_default(terraform / "modules" / "router", "memory_mb"),
        idle_timeout_seconds=_default(terraform, "idle_timeout_seconds"),
    )


class _Module:
    """The text of a module's files, without comments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.text = "\n".join(_plain(file.read_text(encoding="utf-8")) for file in _files(folder))

    def resources(self, kind: str) -> Iterator[tuple[str, int]]:
        """Each resource's block, with its maximum number of instances."""
        for found in _RESOURCE.finditer(self.text):
            if found[1] == kind:
                block = _block(self.text, found.end() - 1)
                yield block, self._instances(f"{kind}.{found[2]}", block)

    def metrics(self, alarm: str) -> int:
        """The number of metrics that an alarm computes its value from; 0 for a plain metric."""
        found = 0
        for query in _QUERY.finditer(alarm):
            block = _block(alarm, query.end() - 1)
            if re.search(r"^\s*metric\s*\{", block, re.MULTILINE):
                found += self._instances("a metric_query", block)
        return found

    def _instances(self, what: str, block: str) -> int:
        own = _without_nested(block)
        if re.search(r"^\s*count\s*=", own, re.MULTILINE):
            return 1  # in this configuration, `count` only turns a resource on or off
        found = _FOR_EACH.search(own)
        if found is None:
            return 1
        if local := re.fullmatch(r"local\.(\w+)", found[1].strip()):
            value = re.search(rf"^\s*{local[1]}\s*=\s*\{{", self.text, re.MULTILINE)
            if value is not None:
                return _entries(_block(self.text, value.end() - 1))
        raise CostError(
            f"How many there are of {what} in {self.folder.name} does not follow from its text: "
            f"for_each = {found[1].strip()}. Give it a map in locals."
        )


def _folders(terraform: Path) -> list[Path]:
    folders = [terraform, *sorted((terraform / "modules").glob("*"))]
    return [folder for folder in folders if any(_files(folder))]


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.tf"))


def _count(modules: list[_Module], kind: str) -> int:
    return sum(number for module in modules for _, number in module.resources(kind))


def _keys(terraform: Path, modules: list[_Module]) -> int:
    """The customer-managed keys, which exist only if the variable asks for them."""
    wanted = _variable(terraform, "customer_managed_key")
    if wanted is not None and re.search(r"default\s*=\s*false", wanted):
        return 0
    return _count(modules, "aws_kms_key")


def _private_endpoints(network: Path) -> int:
    """The interface endpoints of a private network, each counted once per zone."""
    found = _SERVICES.search(_Module(network).text)
    if found is None:
        raise CostError(f"{network} does not say in interface_services what is called privately.")
    return len(re.findall(r'"[\w-]+"', found[1])) * _default(network, "max_zones")


def _default(folder: Path, name: str) -> int:
    block = _variable(folder, name)
    found = (
        None if block is None else re.search(r"^\s*default\s*=\s*(\d+)\s*$", block, re.MULTILINE)
    )
    if found is None:
        raise CostError(f"The variable {name} of {folder} has no default that is a number.")
    return int(found[1])


def _variable(folder: Path, name: str) -> str | None:
    text = _Module(folder).text
    found = re.search(rf'^variable\s+"{name}"\s*\{{', text, re.MULTILINE)
    return None if found is None else _block(text, found.end() - 1)


def _plain(text: str) -> str:
    """The text without comments and brackets in strings, so that brackets show the structure."""

    def shorten(found: re.Match[str]) -> str:
        return re.sub(r"[{}\[\]()]", "", found[0]) if found[0].startswith('"') else ""

    return _TEXT.sub(shorten, text)


def _block(text: str, start: int) -> str:
    """The text from an opening bracket to the matching closing one."""
    depth = 0
    for position in range(start, len(text)):
        depth += text[position] in "{[("
        depth -= text[position] in "}])"
        if depth == 0:
            return text[start : position + 1]
    raise CostError("A block in a Terraform file has no end.")


def _without_nested(block: str) -> str:
    """A block's own text, without the content of nested brackets."""
    depth, own = 0, []
    for sign in block[1:-1]:
        depth -= sign in "}])"
        if depth == 0:
            own.append(sign)
        depth += sign in "{[("
    return "".join(own)


def _entries(block: str) -> int:
    """The number of a map's entries."""
    return len(_ENTRY.findall(_without_nested(block)))
