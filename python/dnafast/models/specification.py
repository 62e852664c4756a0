"""Which network: one of the zoo with its options, or a class of a user's own file, written as one word.

    promoter_lstm[use_cnn=false,pooling_strategy=last]
    basset[filters=30x20x20]:torch
    my.py:Net[width=3]

Numbers of a tuple are joined by ``x`` ("none" is the empty one): commas part the options, and brackets, braces or
semicolons would mean something to a shell. Square brackets mean a pattern to it, which bash hands on as it is where no
file fits it; zsh wants the word quoted.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from dnafast import models
from dnafast.models.config import suggestion
from dnafast.models.user import UserConfig, load_class, require_unchanged
from dnafast.records import checksum_file, plain

_TEXT = re.compile(r"(?P<name>[^\[\]]+?)(?:\[(?P<options>[^\[\]]*)\])?(?::(?P<implementation>[^\[\]:/\\]+))?")
_FORMS = "NAME, NAME[key=value,...], NAME[...]:IMPLEMENTATION or FILE.py:CLASS[key=value,...]"
_KINDS = {bool: "true or false", int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class Specification:
    """A network, all but the length of its sequences and the number of its tasks.

    Two that mean the same network are equal: options stand in the order of the network's own, those that equal their
    default are left out.

    Attributes:
        name: one of :func:`dnafast.models.names`, or "path/my.py:Net".
        options: (option, value) pairs.
        implementation: one of ``implementations``; None leaves it to who builds it.

    Raises:
        ValueError: a name, option, value or implementation does not exist, or a user's file cannot be used; one
            sentence.
    """

    name: str
    options: tuple[tuple[str, Any], ...] = ()
    implementation: str | None = None

    def __post_init__(self) -> None:
        given = dict(self.options)
        canonical = _of_user(self.name, given) if self.is_user else _of_zoo(self.name, given)
        object.__setattr__(self, "options", canonical)
        if self.implementation not in (None, *self.implementations):
            raise ValueError(
                f"{self.name} has no implementation {self.implementation!r}"
                f"{suggestion(self.implementation, self.implementations)} "
                f"(implementations: {', '.join(self.implementations)})"
            )

    @property
    def is_user(self) -> bool:
        """Whether it is a class of a user's file."""
        return _names_file(self.name)

    @property
    def implementations(self) -> tuple[str, ...]:
        """What it can be built as, "torch" first."""
        return ("torch",) if self.is_user else models.implementations(self.name)

    @property
    def label(self) -> str:
        """What runs and tables call the network; the implementation stands beside it.

        A user's file goes by its name without the folder: two files of one name have one label and differ in
        :meth:`as_json`.
        """
        name = self.name
        if self.is_user:
            path, _, kind = name.rpartition(":")
            name = f"{Path(path).name}:{kind}"
        options = ",".join(f"{option}={_text(value)}" for option, value in self.options)
        return f"{name}[{options}]" if options else name

    @classmethod
    def of(cls, config: models.ModelConfig) -> Self:
        """The specification of a configuration, such as one that was matched to others."""
        given = config.given if isinstance(config, UserConfig) else None
        options = {option: getattr(config, option) for option in config.options()} if given is None else given
        return cls(models.name_of(config), tuple(options.items()), config.implementation)

    def config(self, length: int, n_tasks: int = 1) -> models.ModelConfig:
        """The configuration of the network that :meth:`build` would make; of a user's class it is built for that."""
        if self.is_user:
            return self.build(length, n_tasks).config
        return models.config_class(self.name)(
            length=length, n_tasks=n_tasks, implementation=self.implementation or "torch", **dict(self.options)
        )

    def build(self, length: int, n_tasks: int = 1) -> models.Network:
        """The network with fresh weights from torch's random state; its ``config`` says what it eats.

        Args:
            length: bases per sequence.
            n_tasks: logits per sequence.

        Raises:
            ValueError: length or n_tasks is below 1, or a user's class cannot be built.
        """
        if self.is_user:
            return load_class(self.name).build(length, n_tasks, dict(self.options))
        config = self.config(length, n_tasks)
        return models.module_class(config).from_config(config)

    def as_json(self) -> dict[str, Any]:
        """Plain values that decide which network it is, with the checksum of a file that it is made of.

        That is a user's file (not what it imports), or vectors of words learnt beforehand.
        """
        return {
            "name": self.name,
            "options": {option: plain(value) for option, value in self.options},
            "implementation": self.implementation,
            "source_checksum": self._source_checksum(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The specification that :meth:`as_json` was asked of, for a network whose weights are there.

        Vectors of words that its table started from are not asked for again: the weights hold what became of them.

        Raises:
            ValueError: it is none, or the user's file has changed since, which then is not run.
        """
        missing = {"name", "options", "implementation", "source_checksum"} - values.keys()
        if missing:
            raise ValueError(f"the specification of a model lacks {', '.join(sorted(missing))}")
        if not isinstance(values["name"], str) or not isinstance(values["options"], Mapping):
            raise ValueError("the specification of a model must hold its name, a text, and its options by name")
        options = {option: _tuples(value) for option, value in values["options"].items()}
        if not _names_file(values["name"]):
            options.pop("embedding", None)
        else:
            require_unchanged(values["name"], values["source_checksum"])
        return cls(values["name"], tuple(options.items()), values["implementation"])

    def _source_checksum(self) -> str | None:
        if self.is_user:
            return load_class(self.name).checksum
        embedding = dict(self.options).get("embedding")
        return None if embedding is None else checksum_file(embedding)


def parse(text: str) -> Specification:
    """The network that a text names; the module's docstring has examples.

    Raises:
        ValueError: the text is not of that form, or a name, option, value or implementation does not exist; one
            sentence, with what does exist.
    """
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} names no model: write {_FORMS}")
    name, implementation = match["name"].strip(), match["implementation"]
    if name.rstrip(":").endswith(".py"):
        name = name.rstrip(":")
        if implementation is None or match["options"] is not None:
            raise ValueError(f"{text!r} names a file and no class of it: write {name}:CLASS[key=value,...]")
        name, implementation = f"{name}:{implementation}", None
    given = _split(text, match["options"] or "")
    rules = load_class(name).rules() if _names_file(name) else _rules_of_zoo(name)
    options = tuple((option, _value(word, rules.get(option))) for option, word in given.items())
    return Specification(name, options, implementation)


def _names_file(name: str) -> bool:
    return name.rpartition(":")[0].endswith(".py")


def _split(text: str, options: str) -> dict[str, str]:
    """The words of "key=value,key=value"."""
    found: dict[str, str] = {}
    for part in options.split(",") if options.strip() else []:
        option, equals, word = (piece.strip() for piece in part.partition("="))
        if not (option and equals and word):
            raise ValueError(f"{text!r} has the option {part.strip()!r}, which must be key=value")
        if option in found:
            raise ValueError(f"{text!r} has the option {option} twice")
        found[option] = word
    return found


def _rules_of_zoo(name: str) -> dict[str, Any]:
    return typing.get_type_hints(models.config_class(name))


def _of_zoo(name: str, given: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Checked options of a network of the zoo, those that are not its defaults."""
    kind = models.config_class(name)
    _check_known(name, given, kind.options())
    try:
        config = kind(length=1, **given)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    values = ((option, getattr(config, option)) for option in kind.options())
    return tuple((option, value) for option, value in values if value != defaults[option])


def _of_user(name: str, given: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Checked options of a user's class, those that are not its defaults."""
    source = load_class(name)
    rules, defaults = source.rules(), source.defaults()
    reserved = [option for option in given if option in ("length", "n_tasks")]
    if reserved:
        raise ValueError(f"{name}: {reserved[0]} comes from the data and is no option")
    if not source.takes_any:
        _check_known(name, given, rules)
    for option, rule in rules.items():
        if option not in given and option not in defaults:
            raise ValueError(f"{name} needs its option {option}: write {name}[{option}=...]")
        if isinstance(given.get(option), str) and rule in _KINDS:
            raise ValueError(f"{name}: {option}={given[option]!r} must be {_KINDS[rule]}")
    ordered = [option for option in rules if option in given] + sorted(
        option for option in given if option not in rules
    )
    missing = object()
    return tuple(
        (option, given[option])
        for option in ordered
        if _tuples(given[option]) != _tuples(defaults.get(option, missing))
    )


def _check_known(name: str, given: Iterable[str], known: Iterable[str]) -> None:
    known = tuple(known)
    for option in given:
        if option not in known:
            raise ValueError(
                f"{name} has no option {option!r}{suggestion(option, known)} (options: {', '.join(known) or 'none'})"
            )


def _value(word: str, rule: Any) -> Any:
    """The value that a word means under an annotation; where it means none, the word: its checks will refuse it."""
    if rule is bool:
        return {"true": True, "false": False}.get(word.lower(), word)
    if rule in (int, float):
        return _number(word, rule)
    kind = typing.get_origin(rule) or rule
    if kind in (tuple, list):
        items = typing.get_args(rule)
        several = not items or items[-1] is Ellipsis or kind is list
        parts = [] if word == "none" else word.split("x")
        each = [items[0] if items else None] * len(parts) if several else [*items, *[None] * len(parts)]
        return tuple(_value(part, rule) for part, rule in zip(parts, each, strict=False))
    if kind is Literal:
        return next((choice for choice in typing.get_args(rule) if str(choice) == word), word)
    if kind in (typing.Union, types.UnionType):
        inner = [one for one in typing.get_args(rule) if one is not type(None)]
        if word == "none" and len(inner) < len(typing.get_args(rule)):
            return None
        return _value(word, inner[0] if len(inner) == 1 else None)
    if rule is None:
        return _guess(word)
    return word


def _guess(word: str) -> Any:
    """The plainest value of a word without an annotation."""
    for rule in (bool, int, float):
        value = _value(word, rule)
        if not isinstance(value, str):
            return value
    parts = word.split("x")
    if len(parts) > 1 and all(isinstance(_number(part, float), float) for part in parts):
        return tuple(_guess(part) for part in parts)
    return word


def _number(word: str, kind: type[int] | type[float]) -> Any:
    try:
        return kind(word)
    except ValueError:
        return word


def _text(value: Any) -> str:
    """The word of a value, which :func:`parse` understands."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "none"
    if isinstance(value, tuple | list):
        return "x".join(map(_text, value)) or "none"
    return str(value)


def _tuples(value: Any) -> Any:
    """Lists as tuples, so that they compare."""
    return tuple(_tuples(item) for item in value) if isinstance(value, tuple | list) else value
