"""What a role may do: IAM's evaluation of identity policies, as far as ours use it.

It refuses to judge what it does not know: an unknown condition, element or wildcard is an error,
not a guess. Source: AWS, "Policy evaluation logic" and "IAM JSON policy elements".
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

_ELEMENTS: Final = frozenset(
    {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)


class UnknownElement(Exception):
    """A policy says something that this module does not understand."""


@dataclass(frozen=True, slots=True)
class Access:
    """One thing that a call does: an IAM action on a resource's ARN, and its context.

    `context` holds condition keys, in lower case as IAM compares them.
    """

    action: str
    resource: str
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Permission:
    """The least that a statement grants: one of its actions on one of its resources."""

    role: str
    sid: str
    action: str
    resource: str

    def covers(self, access: Access) -> bool:
        """Whether the access is one of these, whatever conditions say."""
        return matches(self.action.lower(), access.action.lower()) and matches(
            self.resource, access.resource
        )


@dataclass(frozen=True)
class Statement:
    """One statement of a policy."""

    sid: str
    is_allow: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    is_not_action: bool = False
    is_not_resource: bool = False
    condition: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Statement":
        """A statement out of a policy's JSON; raises `UnknownElement`."""
        unknown = document.keys() - _ELEMENTS
        if unknown:
            raise UnknownElement(f"A statement has {', '.join(sorted(unknown))}: {document}")
        if document.get("Effect") not in ("Allow", "Deny"):
            raise UnknownElement(f"A statement neither allows nor denies: {document}")
        if ("Action" in document) == ("NotAction" in document):
            raise UnknownElement(f"A statement needs Action or NotAction: {document}")
        if ("Resource" in document) == ("NotResource" in document):
            raise UnknownElement(f"A statement needs Resource or NotResource: {document}")
        return cls(
            sid=document.get("Sid", ""),
            is_allow=document["Effect"] == "Allow",
            actions=_words(document.get("Action", document.get("NotAction"))),
            resources=_words(document.get("Resource", document.get("NotResource"))),
            is_not_action="NotAction" in document,
            is_not_resource="NotResource" in document,
            condition={
                operator: {key.lower(): _words(values) for key, values in keys.items()}
                for operator, keys in document.get("Condition", {}).items()
            },
        )

    def holds_for(self, access: Access) -> bool:
        """Whether the statement applies to that access."""
        action = access.action.lower()  # case matters in resources, but not in actions
        is_action = any(matches(pattern.lower(), action) for pattern in self.actions)
        is_resource = any(matches(pattern, access.resource) for pattern in self.resources)
        return (
            is_action != self.is_not_action
            and is_resource != self.is_not_resource
            and all(
                _condition_holds(operator, key, values, access)
                for operator, keys in self.condition.items()
                for key, values in keys.items()
            )
        )


@dataclass(frozen=True)
class Role:
    """A role's name, and all statements of all its policies."""

    name: str
    statements: tuple[Statement, ...]

    @classmethod
    def of(cls, name: str, documents: Iterable[Mapping[str, Any]]) -> "Role":
        """A role with these policies."""
        return cls(
            name,
            tuple(
                Statement.read(statement)
                for document in documents
                for statement in _listed(document["Statement"])
            ),
        )

    def allows(self, access: Access) -> bool:
        """Whether some statement allows the access and none denies it."""
        spoken = [statement for statement in self.statements if statement.holds_for(access)]
        return bool(spoken) and all(statement.is_allow for statement in spoken)

    def permissions(self) -> list[Permission]:
        """All that it is granted, one by one; raises `UnknownElement` if that cannot be listed."""
        granting = [statement for statement in self.statements if statement.is_allow]
        for statement in granting:
            if statement.is_not_action or statement.is_not_resource:
                raise UnknownElement(f"{self.name} is granted all but something: {statement}")
        return [
            Permission(self.name, statement.sid, action, resource)
            for statement in granting
            for action in statement.actions
            for resource in statement.resources
        ]


def matches(pattern: str, text: str) -> bool:
    """IAM's wildcards: `*` is any text, even none or with `/` and `:`; `?` is one character."""
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    if "${" in pattern:
        raise UnknownElement(f"A policy variable: {pattern}")
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(c, re.escape(c)) for c in pattern), re.DOTALL)


def _condition_holds(operator: str, key: str, values: tuple[str, ...], access: Access) -> bool:
    if key not in access.context:
        raise UnknownElement(f"Nothing is known of {key}, which {access.action} depends on.")
    found = access.context[key]
    match operator:
        case "StringEquals":
            return len(found) == 1 and found[0] in values
        case "StringLike":
            return len(found) == 1 and any(matches(value, found[0]) for value in values)
        case "ForAllValues:StringEquals":
            return all(each in values for each in found)
        case "ForAllValues:StringLike":
            return all(any(matches(value, each) for value in values) for each in found)
        case _:
            raise UnknownElement(f"A condition of the kind {operator}.")


def _words(found: Any) -> tuple[str, ...]:
    return (found,) if isinstance(found, str) else tuple(found)


def _listed(found: Any) -> list[Mapping[str, Any]]:
    return found if isinstance(found, list) else [found]
