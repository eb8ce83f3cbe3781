"""The types of the six kinds: the one source of crds/*.yaml."""

from aistack.api.base import API_VERSION, GROUP, VERSION
from aistack.api.conditions import ConditionType, Reason
from aistack.api.platform import AcceleratorClass, AIBudget, AIPolicy, AIPolicyException, PriceBook
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
