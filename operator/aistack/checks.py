"""What stands in a stack's way besides names that lead nowhere, and what it is warned of."""

from collections.abc import Iterator

from aistack.api import Reason
from aistack.api.stack import AIStackSpec
from aistack.catalog import Catalog
from aistack.hosting import hosting_problems, hosting_warnings
from aistack.logsink import sink_problems
from aistack.problem import Problem
from aistack.providers import provider_problems, provider_warnings
from aistack.references import Names, unreached_models
from aistack.routing import exposure_warnings, routing_problems, routing_warnings
from aistack.unsupported import unsupported_fields


def problems(spec: AIStackSpec, names: Names, catalog: Catalog) -> Iterator[Problem]:
    yield from hosting_problems(spec, catalog)
    yield from provider_problems(spec)
    yield from routing_problems(spec, names)
    yield from sink_problems(spec)
    for path, message in unsupported_fields(spec):
        yield Problem(path, Reason.NOT_SUPPORTED, message)


def warnings(spec: AIStackSpec, names: Names, catalog: Catalog) -> Iterator[Problem]:
    yield from unreached_models(names)
    yield from hosting_warnings(spec, catalog)
    yield from provider_warnings(spec)
    yield from routing_warnings(names)
    yield from exposure_warnings(spec.gateway)
