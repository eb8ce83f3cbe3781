"""Rules in CEL: compiled once, then evaluated on one set of variables.

The same language as the API server's, with the functions that functions.py names. Bounds: an expression has
at most 4,096 characters (the API's types) and is nested at most 32 deep, and an evaluation takes at most
10,000 steps of comprehensions (both the library's).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from aistack.api import AIPolicy, Reason
from aistack.govern.facts import FACTS
from aistack.govern.functions import declarations
from aistack.kinds import Manifest
from aistack.problem import Problem

EXTENSIONS = """
name: rules
extensions:
  - {name: strings, version: 2}
  - {name: sets}
  - {name: optional}
  - {name: two-var-comprehensions}
"""
VARIABLES = ("object", "oldObject", "namespaceObject", "facts", "params")
PARAMS = "paramsByPolicy"

_ENVIRONMENT = cel.NewEnv(
    config=cel.NewEnvConfigFromYaml(EXTENSIONS),
    variables=dict.fromkeys(VARIABLES, cel.Type.DYN),
    functions=declarations(),
)
_OBJECT_ONLY = cel.NewEnv(
    config=cel.NewEnvConfigFromYaml(EXTENSIONS),
    variables={name: cel.Type.DYN for name in VARIABLES if name != "facts"},
    functions=declarations(),
)
# Turning a stack into CEL's values takes thirty times as long as a rule, so that all policies share one set
# of variables; a rule that reads its policy's params is bound to them here, after it was checked above.
_SHARED = cel.NewEnv(
    config=cel.NewEnvConfigFromYaml(f"{EXTENSIONS}  - {{name: bindings}}"),
    variables=dict.fromkeys((*VARIABLES, PARAMS), cel.Type.DYN),
    functions=declarations(),
)
_CEL_ERROR = re.compile(r"ERROR: <input>:(?P<line>-?[0-9]+):(?P<column>-?[0-9]+): (?P<what>.*)")
_STRING = re.compile(r"""("(\\.|[^"\\])*"|'(\\.|[^'\\])*')""")
_FACT = re.compile(r"\bfacts\.\??([A-Za-z_]+)")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an expression has no answer."""

    why: str


OUT_OF_MEMORY = Failure("it takes more memory than there is")


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression, or why it is none."""

    compiled: Any | Failure

    def answer(self, variables: Any) -> Any | Failure:
        """The plain value of the expression; `variables` are what `activation` made."""
        if isinstance(self.compiled, Failure):
            return self.compiled
        try:
            value = self.compiled.eval(variables)
            plain = value.plain_value()
        except MemoryError:
            return OUT_OF_MEMORY
        except (RuntimeError, TypeError) as error:  # the budget is spent, or the value has no plain form
            return Failure(_first_line(str(error)))
        return Failure(_first_line(str(plain))) if value.type() == cel.Type.ERROR else plain


def activation(
    *,
    this: Manifest,
    old: Manifest | None,
    namespace: Manifest,
    facts: Mapping[str, Any],
    params: Mapping[str, Mapping[str, Any]],
) -> Any:
    """The variables of all rules; `params` are each policy's, by its name."""
    return _SHARED.Activation(
        {"object": this, "oldObject": old, "namespaceObject": namespace, "facts": facts, PARAMS: params}
    )


@lru_cache(maxsize=4096)
def condition(expression: str, policy: str) -> Program:
    """A rule's expression: it must give true or false."""
    program = text(expression, policy)
    if isinstance(program.compiled, Failure):
        return program
    gives = program.compiled.return_type()
    if gives not in (cel.Type.BOOL, cel.Type.DYN):
        return Program(Failure(f"gives {gives}: write an expression that is true or false"))
    return program


@lru_cache(maxsize=4096)
def text(expression: str, policy: str) -> Program:
    """An expression for a reader; `policy` is the name of the one whose params it reads."""
    if unknown := _unknown_fact(expression):
        return Program(unknown)
    try:
        _ENVIRONMENT.compile(expression)
        return Program(_SHARED.compile(_bound(expression, policy)))
    except RuntimeError as error:
        return Program(_compile_error(str(error)))


@lru_cache(maxsize=1024)
def together(expressions: tuple[str, ...], policy: str) -> Program:
    """All rules of a policy as one list of what each gives; without an answer where one of them has none.

    One evaluation of all takes less time than one of each. A rule may end in a comment, so that each stands
    on its own lines.
    """
    for expression in expressions:
        program = condition(expression, policy)
        if isinstance(program.compiled, Failure):
            return program
    listed = ", ".join(f"(\n{expression}\n)" for expression in expressions)
    return text(f"[{listed}]", policy)


def _bound(expression: str, policy: str) -> str:
    if "params" not in expression:
        return expression
    return f"cel.bind(params, {PARAMS}[{json.dumps(policy)}],\n{expression}\n)"


def problems(policy: AIPolicy) -> Iterator[Problem]:
    """Every expression of a policy that can't be evaluated on any stack."""
    for rule in policy.spec.rules:
        path, name = f"spec.rules[{rule.id}]", policy.metadata.name
        programs = {"expression": condition(rule.expression, name)}
        if rule.found:
            programs["found"] = text(rule.found, name)
        for field, program in programs.items():
            if isinstance(program.compiled, Failure):
                yield Problem(f"{path}.{field}", Reason.INVALID_SPEC, program.compiled.why)


@lru_cache(maxsize=4096)
def reads_facts(expression: str) -> bool:
    """Whether only the operator can decide it; the API server itself can decide the others."""
    try:
        _OBJECT_ONLY.compile(expression)
    except RuntimeError:
        return True
    return False


def compiled(expression: str) -> cel.Expression | None:
    """As it was written, without a policy's params bound to it; None where it can't be compiled."""
    try:
        return _ENVIRONMENT.compile(expression)
    except RuntimeError:
        return None


def _unknown_fact(expression: str) -> Failure | None:
    """A misspelt fact would be absent, and what asks for it with has() would be silent about it."""
    blanked = _STRING.sub(lambda literal: " " * len(literal[0]), expression)
    for mention in _FACT.finditer(blanked):
        if mention[1] not in FACTS:
            close = get_close_matches(mention[1], FACTS, n=1)
            instead = f"write {close[0]}" if close else "docs/facts.md lists those that there are"
            return Failure(
                f"{position(expression, mention.start(1))}: no fact is named {mention[1]}; {instead}"
            )
    return None


def position(expression: str, offset: int) -> str:
    """Where a character of it stands, as messages of the library say it."""
    before = expression[:offset]
    return f"line {before.count(chr(10)) + 1}, column {offset - before.rfind(chr(10))}"


def _compile_error(message: str) -> Failure:
    found = [
        f"line {each['line']}, column {each['column']}: {each['what']}"
        for each in _CEL_ERROR.finditer(message)
    ]
    return Failure("; ".join(found) or _first_line(message))


def _first_line(message: str) -> str:
    return message.partition("\n")[0]
