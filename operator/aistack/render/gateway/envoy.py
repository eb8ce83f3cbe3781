"""Envoy's words that several of its files share."""

from functools import cache
from importlib import resources
from pathlib import PurePosixPath

from aistack.kinds import Manifest
from aistack.render.gateway.provider import Address

METADATA = "aistack"
"""The namespace of what the front reads from a request (`model`, `stream`, `bad`, `estimated_prompt`) and
from its answer (`prompt_tokens`, `completion_tokens`, `bytes_a_token`)."""
CLIENT_HEADER = "x-aistack-client"
"""Carries the name of the client whose key was given; the loader's key file writes it."""
MANAGED_SUFFIX = ".managed"
"""Of the host names by which the egress listener knows managed models."""
MAX_BODY = 32 * 1024 * 1024
"""Bytes of a request that are held to read its model and to try it again, and of a chat model's whole answer
that are held to read its usage: pictures and lists of log probabilities are the longest. More is an error.
Streams and embeddings are not held, and have no limit.
"""


def typed(name: str, /, **fields: object) -> Manifest:
    """A message of Envoy's API: `name` is its type without the leading `envoy.`."""
    return {"@type": f"type.googleapis.com/envoy.{name}", **fields}


def extension(name: str, type_name: str, /, **fields: object) -> Manifest:
    """A named extension, such as a filter; `type_name` is its type without `envoy.extensions.`."""
    return {"name": name, "typed_config": typed(f"extensions.{type_name}", **fields)}


@cache
def script(name: str) -> str:
    """The text of a script in Lua that stands beside this module."""
    return resources.files("aistack.render.gateway").joinpath(name).read_text()


def socket_address(address: Address) -> Manifest:
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def watched_file(directory: str, name: str) -> Manifest:
    """A file that Envoy reads again when another one is moved over it."""
    return {
        "resource_api_version": "V3",
        "path_config_source": {"path": str(PurePosixPath(directory, name))},
    }


def meeting(expression: str) -> Manifest:
    """A filter of access logs and of replies, by an expression in CEL."""
    cel = extension("cel", "access_loggers.filters.cel.v3.ExpressionFilter", expression=expression)
    return {"extension_filter": cel}


def duration(seconds: float) -> str:
    """Protobuf's form, to the millisecond: `0.25s`."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def literal(text: str) -> str:
    """Text that stands where Envoy expects a format: its percent signs are only percent signs."""
    return text.replace("%", "%%")
