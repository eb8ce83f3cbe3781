"""The types of the six kinds: the one source of crds/*.yaml."""

from aistack.api.base import API_VERSION, GROUP, VERSION
from aistack.api.budgets import AIBudget
from aistack.api.catalog import AcceleratorClass, PriceBook
from aistack.api.conditions import ConditionType, Reason
from aistack.api.policies import AIPolicy, AIPolicyException
from aistack.api.stack import AIStack

__all__ = [
    "API_VERSION",
    "GROUP",
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
