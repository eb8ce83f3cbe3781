"""The functions that Kubernetes adds to CEL, as the API server has them since 1.33, for cel-expr-python.

Source: k8s.io/apiserver/pkg/cel/environment/base.go and pkg/cel/library. Strings (version 2), sets, optionals
and comprehensions of two variables come with the library; the others are declared here.

The library hands only plain values to Python, so that a quantity, an IP, a CIDR, a URL and a version are maps
of one entry here, and mixing them up is an error of the evaluation, not of the compilation.

What can't be had:

- `string(ip)`, `string(cidr)`, `indexOf` and `lastIndexOf` of lists: the library takes no more overloads of a
  function that it has;
- `sum`, `min` and `max` of durations and timestamps: the library takes none of them from Python as any value;
- an integer literal beside a decimal one (`1 < 1.5`): write `dyn(1) < 1.5`; values of the object do compare;
- `format`, which returns optionals, and `authorizer`, which asks the API server.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import count
from typing import Any

from cel_expr_python import cel

from aistack.govern import addresses, quantities
from aistack.govern.quantities import added, number, quantity
from aistack.govern.tagged import Tagged, untagged
from aistack.govern.versions import Version, parse_version

_DYN, _TEXT, _INT, _BOOL = cel.Type.DYN, cel.Type.STRING, cel.Type.INT, cel.Type.BOOL
_LIST, _TEXTS = cel.Type.List(_DYN), cel.Type.List(_TEXT)
_TAGGED = cel.Type.Map(_TEXT, _TEXT)

_REGEX = cel.NewEnv(
    config=cel.NewEnvConfigFromYaml("name: regex\nextensions: [{name: regex}, {name: optional}]"),
    variables={"text": _TEXT, "pattern": _TEXT, "marked": _TEXT},
)
_MARK_MATCHES = _REGEX.compile("regex.replace(text, pattern, marked)")


def declarations() -> list[Any]:
    """Every function, as `cel.NewEnv(functions=…)` takes them."""
    return [
        *_lists(),
        *_regular_expressions(),
        *_quantities(),
        *_versions(),
        *_compared(),
        *_addresses(),
        *_urls(),
    ]


def _function(name: str, *overloads: Any) -> Any:
    return cel.FunctionDecl(name, list(overloads))


def _free(identity: str, impl: Callable[..., Any], returns: Any, *parameters: Any) -> Any:
    return cel.Overload(identity, returns, list(parameters), is_member=False, impl=impl)


def _member(identity: str, impl: Callable[..., Any], returns: Any, *parameters: Any) -> Any:
    return cel.Overload(identity, returns, list(parameters), is_member=True, impl=impl)


def _of_value(name: str, impl: Callable[[Tagged], Any], returns: Any = _BOOL) -> Any:
    """A member of a tagged value that takes nothing else."""
    return _function(name, _member(f"tagged_{name}", impl, returns, _TAGGED))


def _succeeds(convert: Callable[..., Any]) -> Callable[..., bool]:
    def tried(*arguments: Any) -> bool:
        try:
            convert(*arguments)
        except ValueError:
            return False
        return True

    return tried


def _lists() -> list[Any]:
    return [
        _function("isSorted", _member("list_is_sorted", _is_sorted, _BOOL, _LIST)),
        _function("sum", _member("list_sum", _sum, _DYN, _LIST)),
        _function("min", _member("list_min", lambda items: min(_filled(items)), _DYN, _LIST)),
        _function("max", _member("list_max", lambda items: max(_filled(items)), _DYN, _LIST)),
    ]


def _plain(items: Sequence[Any]) -> list[Any]:
    return [item.plain_value() if isinstance(item, cel.Value) else item for item in items]


def _is_sorted(items: Sequence[Any]) -> bool:
    plain = _plain(items)
    return plain == sorted(plain)


def _sum(items: Sequence[Any]) -> Any:
    plain = _plain(items)
    return sum(plain[1:], start=plain[0]) if plain else 0


def _filled(items: Sequence[Any]) -> list[Any]:
    plain = _plain(items)
    if not plain:
        raise ValueError("the list is empty: it has no least and no greatest")
    return plain


def _regular_expressions() -> list[Any]:
    return [
        _function("find", _member("string_find", _find, _TEXT, _TEXT, _TEXT)),
        _function(
            "findAll",
            _member("string_find_all", _find_all, _TEXTS, _TEXT, _TEXT),
            _member("string_find_all_int", _find_all, _TEXTS, _TEXT, _TEXT, _INT),
        ),
    ]


def _find(text: str, pattern: str) -> str:
    return next(iter(_find_all(text, pattern, 1)), "")


def _find_all(text: str, pattern: str, most: int = -1) -> list[str]:
    """Python's own `re` can take exponential time; RE2 marks the matches here, and can't."""
    # No mark begins as one ends, so that none arises where a text and a mark meet.
    mark = next(each for each in map("\x01{}\x02".format, count()) if each not in text)
    found = _MARK_MATCHES.eval(data={"text": text, "pattern": pattern, "marked": f"{mark}\\0{mark}"})
    if found.type() == cel.Type.ERROR:
        raise ValueError(str(found.plain_value()))
    matches = str(found.value()).split(mark)[1::2]
    return matches if most < 0 else matches[:most]


def _quantities() -> list[Any]:
    return [
        _function("quantity", _free("string_to_quantity", quantity, _TAGGED, _TEXT)),
        _function("isQuantity", _free("is_quantity", _succeeds(quantity), _BOOL, _TEXT)),
        _function(
            "sign", _free("quantity_sign", lambda value: quantities.sign(number(value)), _INT, _TAGGED)
        ),
        _of_value("isInteger", quantities.is_integer),
        _of_value("asInteger", quantities.as_integer, _INT),
        _of_value("asApproximateFloat", lambda value: float(number(value)), cel.Type.DOUBLE),
        _function(
            "add",
            _member("quantity_add", lambda a, b: added(number(a), number(b)), _TAGGED, _TAGGED, _TAGGED),
            _member("quantity_add_int", lambda a, b: added(number(a), Decimal(b)), _TAGGED, _TAGGED, _INT),
        ),
        _function(
            "sub",
            _member("quantity_sub", lambda a, b: added(number(a), -number(b)), _TAGGED, _TAGGED, _TAGGED),
            _member("quantity_sub_int", lambda a, b: added(number(a), Decimal(-b)), _TAGGED, _TAGGED, _INT),
        ),
    ]


def _versions() -> list[Any]:
    return [
        _function(
            "semver",
            _free("string_to_semver", _semver, _TAGGED, _TEXT),
            _free("string_bool_to_semver", _semver, _TAGGED, _TEXT, _BOOL),
        ),
        _function(
            "isSemver",
            _free("is_semver", _succeeds(_semver), _BOOL, _TEXT),
            _free("is_semver_bool", _succeeds(_semver), _BOOL, _TEXT, _BOOL),
        ),
        _of_value("major", lambda value: _version(value).major, _INT),
        _of_value("minor", lambda value: _version(value).minor, _INT),
        _of_value("patch", lambda value: _version(value).patch, _INT),
    ]


def _semver(text: str, normalize: bool = False) -> Tagged:
    return {"semver": str(parse_version(text, normalize=normalize))}


def _version(value: Tagged) -> Version:
    return parse_version(untagged(value, "semver"), normalize=False)


def _compared() -> list[Any]:
    """Quantities and versions share the names of their comparisons."""
    both = (_TAGGED, _TAGGED)
    return [
        _function("compareTo", _member("compare_to", _compare, _INT, *both)),
        _function("isLessThan", _member("is_less_than", lambda a, b: _compare(a, b) < 0, _BOOL, *both)),
        _function("isGreaterThan", _member("is_greater_than", lambda a, b: _compare(a, b) > 0, _BOOL, *both)),
    ]


def _compare(left: Tagged, right: Tagged) -> int:
    if "semver" in dict(left):
        return _version(left).compare(_version(right))
    return quantities.sign(number(left) - number(right))


def _addresses() -> list[Any]:
    ip, cidr = addresses.ip, addresses.cidr
    inside, around = addresses.contains_ip, addresses.contains_cidr
    return [
        _function(
            "ip",
            _free("string_to_ip", ip, _TAGGED, _TEXT),
            _member("cidr_ip", lambda cidr: {"ip": str(addresses.interface(cidr).ip)}, _TAGGED, _TAGGED),
        ),
        _function("isIP", _free("is_ip", _succeeds(ip), _BOOL, _TEXT)),
        _function("ip.isCanonical", _free("ip_is_canonical", addresses.is_canonical, _BOOL, _TEXT)),
        _of_value("family", lambda value: addresses.address(value).version, _INT),
        _of_value("isUnspecified", lambda value: addresses.address(value).is_unspecified),
        _of_value("isLoopback", lambda value: addresses.address(value).is_loopback),
        _of_value("isLinkLocalMulticast", addresses.is_link_local_multicast),
        _of_value("isLinkLocalUnicast", lambda value: addresses.address(value).is_link_local),
        _of_value("isGlobalUnicast", addresses.is_global_unicast),
        _function("cidr", _free("string_to_cidr", cidr, _TAGGED, _TEXT)),
        _function("isCIDR", _free("is_cidr", _succeeds(cidr), _BOOL, _TEXT)),
        _function(
            "containsIP",
            _member("cidr_contains_ip", inside, _BOOL, _TAGGED, _TAGGED),
            _member("cidr_contains_ip_text", lambda a, b: inside(a, ip(b)), _BOOL, _TAGGED, _TEXT),
        ),
        _function(
            "containsCIDR",
            _member("cidr_contains_cidr", around, _BOOL, _TAGGED, _TAGGED),
            _member("cidr_contains_cidr_text", lambda a, b: around(a, cidr(b)), _BOOL, _TAGGED, _TEXT),
        ),
        _of_value("prefixLength", lambda value: addresses.interface(value).network.prefixlen, _INT),
        _of_value("masked", lambda value: {"cidr": str(addresses.interface(value).network)}, _TAGGED),
    ]


def _urls() -> list[Any]:
    return [
        _function("url", _free("string_to_url", addresses.url, _TAGGED, _TEXT)),
        _function("isURL", _free("is_url", _succeeds(addresses.url), _BOOL, _TEXT)),
        _of_value("getScheme", addresses.scheme, _TEXT),
        _of_value("getHost", addresses.host, _TEXT),
        _of_value("getHostname", addresses.hostname, _TEXT),
        _of_value("getPort", addresses.port, _TEXT),
        _of_value("getEscapedPath", addresses.escaped_path, _TEXT),
        _of_value("getQuery", addresses.query, cel.Type.Map(_TEXT, _TEXTS)),
    ]
