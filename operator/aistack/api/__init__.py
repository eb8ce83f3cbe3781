"""The types of the six kinds: the one source of crds/*.yaml."""

from collections.abc import Mapping

from aistack.api.base import API_VERSION, GROUP, VERSION, Model
from aistack.api.budgets import AIBudget
from aistack.api.catalog import AcceleratorClass, PriceBook
from aistack.api.conditions import ConditionType, Reason
from aistack.api.policies import AIPolicy, AIPolicyException
from aistack.api.stack import AIStack

TYPES: Mapping[str, type[Model]] = {
    each.__name__: each
    for each in (AIStack, AIBudget, AIPolicy, AIPolicyException, AcceleratorClass, PriceBook)
}
"""The type of each kind, by the kind's name."""

__all__ = [
    "API_VERSION",
    "GROUP",
    "TYPES",
    "VERSION",
    "AIBudget",
    "AIPolicy",
    "AIPolicyException",
    "AIStack",
    "AcceleratorClass",
    "ConditionType",
    "PriceBook",
    "Reason",
]
