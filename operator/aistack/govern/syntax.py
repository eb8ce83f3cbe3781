"""The syntax tree of an expression, out of what the library writes of a compiled one.

That is a google.protobuf.Any around cel.expr.CheckedExpr. The numbers of the fields are those of
checked.proto and syntax.proto in https://github.com/google/cel-spec/tree/master/proto/cel/expr; macros are
expanded in it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""How a field of a message is written: https://protobuf.dev/programming-guides/encoding/."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal; only texts are told apart."""

    text: str | None


@dataclass(frozen=True, slots=True)
class Name:
    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`, also inside of has()."""

    operand: "Node"
    field: str
    offset: int
    """Characters before it in the expression."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator, such as `_+_`; what it is called on comes first."""

    function: str
    arguments: tuple["Node", ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Listed:
    """`[…]`."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Mapped:
    """`{…}`: its keys and values in turn."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """A comprehension, which every macro but has() becomes."""

    variables: tuple[str, ...]
    """The item's name; of a macro with two variables the key's before it."""
    over: "Node"
    accumulator: str
    start: "Node"
    condition: "Node"
    step: "Node"
    result: "Node"


Node = Constant | Name | Select | Call | Listed | Mapped | Loop
Message = Mapping[int, list[Any]]
Offsets = Mapping[int, int]
"""Characters before each node, by its number."""


def tree(serialized: bytes) -> Node:
    """The tree of what `Expression.serialize` gave."""
    checked = _message(_message(serialized)[2][0])
    entries = (_message(each) for each in _message(checked[5][0]).get(4, ()))
    offsets = {each[1][0]: each.get(2, [0])[0] for each in entries}
    return _node(checked[4][0], offsets)


def _node(written: bytes, offsets: Offsets) -> Node:
    message = _message(written)
    offset = offsets.get(message.get(2, [0])[0], 0)
    sort = next(number for number in _SORTS if number in message)
    return _SORTS[sort](_message(message[sort][0]), offset, offsets)


def _constant(message: Message, _offset: int, _offsets: Offsets) -> Node:
    return Constant(_text(message[6][0]) if 6 in message else None)


def _name(message: Message, _offset: int, _offsets: Offsets) -> Node:
    return Name(_text(message[1][0]))


def _select(message: Message, offset: int, offsets: Offsets) -> Node:
    return Select(_node(message[1][0], offsets), _text(message[2][0]), offset)


def _call(message: Message, offset: int, offsets: Offsets) -> Node:
    arguments = (*message.get(1, ()), *message.get(3, ()))
    return Call(_text(message[2][0]), tuple(_node(each, offsets) for each in arguments), offset)


def _list(message: Message, _offset: int, offsets: Offsets) -> Node:
    return Listed(tuple(_node(each, offsets) for each in message.get(1, ())))


def _map(message: Message, _offset: int, offsets: Offsets) -> Node:
    entries = [_message(each) for each in message.get(2, ())]
    parts = [entry[part][0] for entry in entries for part in (3, 4) if part in entry]
    return Mapped(tuple(_node(each, offsets) for each in parts))


def _loop(message: Message, _offset: int, offsets: Offsets) -> Node:
    over, start, condition, step, result = (_node(message[each][0], offsets) for each in (2, 4, 5, 6, 7))
    names = tuple(_text(message[each][0]) for each in (1, 8) if each in message)
    return Loop(names, over, _text(message[3][0]), start, condition, step, result)


_SORTS: Mapping[int, Callable[[Message, int, Offsets], Node]] = {
    3: _constant,
    4: _name,
    5: _select,
    6: _call,
    7: _list,
    8: _map,
    9: _loop,
}
"""What makes a node of each message that an Expr can hold."""


def _text(written: bytes) -> str:
    return written.decode()


def _message(written: bytes) -> dict[int, list[Any]]:
    """The values of each field by its number, numbers as int and all else as bytes."""
    found: dict[int, list[Any]] = {}
    for number, value in _fields(written):
        found.setdefault(number, []).append(value)
    return found


def _fields(written: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(written):
        key, at = _varint(written, at)
        match key & 7:
            case 0:
                value, at = _varint(written, at)
                yield key >> 3, value
            case sort:
                size, at = _varint(written, at) if sort == LENGTH else ({FIXED64: 8, FIXED32: 4}[sort], at)
                yield key >> 3, written[at : at + size]
                at += size


def _varint(written: bytes, at: int) -> tuple[int, int]:
    """The number, and where what follows it begins."""
    number = shift = 0
    while True:
        byte = written[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
