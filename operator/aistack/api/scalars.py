"""The bounded strings and numbers of the API. Patterns mean the same in RE2 and in Rust."""

from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from aistack.api.invariants import Invariant

NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
OBJECT_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
LINE = r"^[^\x00-\x1f\x7f]+$"
URI = r"^[!-~]+$"
SOURCE = r"^(hf|s3|gs|oci|pvc|mlflow)://[!-~]+$"
HTTP_URL = r"^https?://[!-~]+$"
DURATION = r"^([0-9]{1,6}(ms|s|m|h|d))+$"
QUANTITY = r"^[0-9]{1,15}(\.[0-9]{1,9})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"
AMOUNT = r"^[0-9]{1,12}(\.[0-9]{1,6})?$"
CURRENCY = r"^[A-Z]{3}$"
DATE = r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}$"
TIMESTAMP = r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?Z$"
TIME_ZONE = r"^[A-Za-z][-+_/A-Za-z0-9]*$"
IMAGE = r"^[a-z0-9][-a-zA-Z0-9._:/@]*$"
VERSION = r"^[0-9]+\.[0-9]+\.[0-9]+$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
KEY = r"^[-._a-zA-Z0-9]+$"
HEADER = r"^[A-Za-z][-A-Za-z0-9]*$"
PERCENTAGE = r"^[0-9]{1,2}(\.[0-9]{1,4})?$"
RESOURCE = r"^[a-z0-9.-]+(/[a-zA-Z0-9._-]+)?$"
SHA256 = r"^[0-9a-f]{64}$"
REGION = r"^[a-z0-9-]+$"
PROJECT = r"^[a-z0-9][-a-z0-9.:]*$"
API_VERSION = r"^[a-z0-9][-a-z0-9.]*$"


def _cron_field(value: str) -> str:
    """One field of a cron line: stars, values, ranges, steps, and lists of them."""
    item = rf"(\*|({value})(-({value}))?)(/[1-9][0-9]?)?"
    return f"{item}(,{item})*"


CRON = "^{}$".format(
    " ".join(
        map(
            _cron_field,
            (
                r"[0-5]?[0-9]",
                r"[01]?[0-9]|2[0-3]",
                r"0?[1-9]|[12][0-9]|3[01]",
                r"0?[1-9]|1[0-2]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC",
                r"[0-7]|SUN|MON|TUE|WED|THU|FRI|SAT",
            ),
        )
    )
)

HINTS = {
    NAME: "write lower-case letters, digits and '-', such as support-tone",
    OBJECT_NAME: "write a Kubernetes object's name: lower-case letters, digits, '-' and '.'",
    LINE: "write one line of text without control characters",
    URI: "write a URI without spaces, such as s3://bucket/path",
    HTTP_URL: "write a URL such as https://host/path",
    DURATION: "write a duration such as 30s, 5m or 1h30m",
    QUANTITY: "write a quantity such as 500m, 4 or 24Gi",
    AMOUNT: "write a decimal string with at most six decimals, such as '1500' or '4.10'",
    CURRENCY: "write a currency's three letters, such as USD",
    DATE: "write a date such as 2026-11-01",
    TIMESTAMP: "write a time in UTC such as 2027-01-31T00:00:00Z",
    TIME_ZONE: "write a time zone's name, such as Europe/Berlin",
    CRON: "write five cron fields such as '0 20 * * *'",
    SOURCE: "write where the weights are: hf://owner/name, s3://, gs://, oci://, pvc:// or mlflow://",
    IMAGE: "write an image such as vllm/vllm-openai@sha256:…",
    VERSION: "write a version such as 0.33.0",
    VARIABLE: "write letters, digits and '_', beginning with no digit",
    KEY: "write a key of letters, digits, '-', '_' and '.'",
    HEADER: "write a header's name such as Authorization or X-Api-Key",
    PERCENTAGE: "write a percentage below 100 as a string, such as '99.9'",
    RESOURCE: "write a resource's name such as nvidia.com/gpu",
    SHA256: "write the 64 lower-case hexadecimal digits of a SHA-256",
    REGION: "write a region's name such as eu-central-1",
    PROJECT: "write a project's id such as acme-assistants",
    API_VERSION: "write an API's version such as 2026-08-01",
}
"""What to write where a pattern doesn't match; the API server says the pattern itself."""


def _on_the_calendar(value: str) -> str:
    """The pattern lets 2026-02-31 pass; the calendar and the API server's formats don't."""
    try:
        date.fromisoformat(value[:10])
    except ValueError:
        raise PydanticCustomError(
            "calendar", "is no day of the calendar: write one such as 2026-11-01"
        ) from None
    return value


def _decimal(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Name = Annotated[str, StringConstraints(pattern=NAME, min_length=1, max_length=30)]
PartName = Annotated[
    Name,
    Invariant(
        "!(self in ['gateway', 'adapter', 'queue', 'redis', 'records', 'mlflow', 'ratelimit', 'cache'])",
        "this name is kept for a part that every stack may have: write another, such as main",
    ),
]
ObjectName = Annotated[str, StringConstraints(pattern=OBJECT_NAME, min_length=1, max_length=253)]
Text = Annotated[str, StringConstraints(max_length=1024)]
Line = Annotated[str, StringConstraints(pattern=LINE, min_length=1, max_length=253)]
Uri = Annotated[str, StringConstraints(pattern=URI, min_length=1, max_length=1024)]
HttpUrl = Annotated[str, StringConstraints(pattern=HTTP_URL, max_length=1024)]
Duration = Annotated[str, StringConstraints(pattern=DURATION, max_length=32)]
Amount = Annotated[str, StringConstraints(pattern=AMOUNT, max_length=19)]
Currency = Annotated[str, StringConstraints(pattern=CURRENCY, min_length=3, max_length=3)]
Cron = Annotated[str, StringConstraints(pattern=CRON, max_length=100)]
TimeZone = Annotated[str, StringConstraints(pattern=TIME_ZONE, max_length=64)]
Source = Annotated[str, StringConstraints(pattern=SOURCE, max_length=1024)]
Image = Annotated[str, StringConstraints(pattern=IMAGE, max_length=512)]
Version = Annotated[str, StringConstraints(pattern=VERSION, max_length=20)]
VariableName = Annotated[str, StringConstraints(pattern=VARIABLE, max_length=128)]
KeyName = Annotated[str, StringConstraints(pattern=KEY, max_length=253)]
HeaderName = Annotated[str, StringConstraints(pattern=HEADER, max_length=64)]
Percentage = Annotated[str, StringConstraints(pattern=PERCENTAGE, max_length=8)]
ResourceName = Annotated[str, StringConstraints(pattern=RESOURCE, max_length=253)]
Sha256 = Annotated[str, StringConstraints(pattern=SHA256, min_length=64, max_length=64)]
Region = Annotated[str, StringConstraints(pattern=REGION, max_length=63)]
Project = Annotated[str, StringConstraints(pattern=PROJECT, max_length=63)]
ApiVersion = Annotated[str, StringConstraints(pattern=API_VERSION, max_length=63)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
Share = Annotated[float, Field(ge=0, le=1)]

Date = Annotated[
    str,
    StringConstraints(pattern=DATE, max_length=10),
    AfterValidator(_on_the_calendar),
    Field(json_schema_extra={"format": "date"}),
]
Timestamp = Annotated[
    str,
    StringConstraints(pattern=TIMESTAMP, max_length=30),
    AfterValidator(_on_the_calendar),
    Field(json_schema_extra={"format": "date-time"}),
]

Quantity = Annotated[str, StringConstraints(pattern=QUANTITY, max_length=32)]
# Kubernetes' users write `cpu: 4`: a whole number is read as the string that it means.
IntOrQuantity = Annotated[
    str,
    StringConstraints(pattern=QUANTITY, max_length=32),
    BeforeValidator(_decimal),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "minimum": 0,
            "pattern": QUANTITY,
            "maxLength": 32,
        }
    ),
]

KEYS = Invariant("self.all(key, size(key) <= 317)", "a key is too long: write at most 317 characters")
"""Bounds a map's keys; 317 is the longest label key: a domain of 253, a slash, a name of 63."""

Labels = Annotated[dict[str, Annotated[str, StringConstraints(max_length=253)]], Field(max_length=64), KEYS]
