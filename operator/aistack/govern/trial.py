"""Evaluates a policy's rules once on a large stack, in a process that may not take much: `python -m` runs it.

The library bounds an expression's depth and steps, not what one step builds up: four `replace` in a row make
gigabytes of a word. So a policy is tried before it is stored. It reads an AIPolicy as JSON and writes each
expression's rule and field (`regions.found`) before it is evaluated, and then DONE; who started it sees at
which one it was ended. What follows is a line for everything that it doubts: rules that can't be evaluated on
a stack, and fields that no stack has.
"""

import resource
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import orjson

from aistack.api import API_VERSION, AIPolicy, AIStack, Reason
from aistack.api.policies import PolicyMatch, Rule
from aistack.catalog import Catalog
from aistack.govern import Outcome, evaluate, reading
from aistack.govern.rules import OUT_OF_MEMORY
from aistack.images import default_images
from aistack.kinds import Manifest
from aistack.problem import Problem
from aistack.resolve import resolve
from aistack.resolved import ResolvedStack

DONE = "/"
"""No rule's field."""
CPU_SECONDS = 1
MEMORY = 128 * 1024 * 1024
"""Bytes of address space besides what Python and the library take."""
MODELS = 32
TEXT = 1024
"""Characters of its longest texts."""


def main() -> None:
    policy, stack = AIPolicy.parse(_stdin()), large_stack()
    _bound()
    for where, rule in _expressions(policy):
        _tell(where)
        verdict = evaluate(stack, [_of_all(policy, [rule])], (), {}, datetime.now(UTC))
        if any(OUT_OF_MEMORY.why in found for result in verdict.results for found in result.found):
            raise MemoryError(where)
    _tell(DONE)
    for doubt in (*reading.doubts(policy), *_unguarded(policy)):
        _tell(str(doubt))


def _tell(what: str) -> None:
    """One line, whatever is named in it."""
    sys.stdout.write(f"{' '.join(what.split())}\n")
    sys.stdout.flush()


def _unguarded(policy: AIPolicy) -> Iterator[Problem]:
    """Every rule that breaks on a stack which says little, because it reads what is absent there."""
    rules = policy.spec.rules
    verdict = evaluate(small_stack(), [_of_all(policy, rules)], (), {}, datetime.now(UTC))
    for result in verdict.results:
        if result.outcome is Outcome.ERROR:
            told = (
                f"on a stack that says little it can't be evaluated ({', '.join(result.found)}), "
                "and counts as broken; write has(…) or .? before what may be absent"
            )
            yield Problem(f"spec.rules[{result.rule.id}].expression", Reason.INVALID_SPEC, told)


def _expressions(policy: AIPolicy) -> Iterator[tuple[str, Rule]]:
    """Each with a rule that evaluates it alone: what was found is asked for where a rule is broken."""
    for rule in policy.spec.rules:
        yield f"{rule.id}.expression", rule.model_copy(update={"found": None})
        if rule.found:
            yield f"{rule.id}.found", rule.model_copy(update={"expression": "false"})


def _stdin() -> Manifest:
    policy: Manifest = orjson.loads(sys.stdin.buffer.read())
    return policy


def _of_all(policy: AIPolicy, rules: Sequence[Rule]) -> AIPolicy:
    """The policy with these rules, about every stack."""
    spec = policy.spec.model_copy(update={"rules": tuple(rules), "match": PolicyMatch()})
    return policy.model_copy(update={"spec": spec})


def _bound() -> None:
    """From now on; what exceeds it is ended by the system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # where the operator runs; elsewhere a developer's machine has no such bound
        space = _address_space() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (space, space))


def _address_space() -> int:
    """Bytes that this process has mapped."""
    with open("/proc/self/statm") as file:  # noqa: PTH123 no path: a window of the kernel's
        return int(file.read().split()[0]) * resource.getpagesize()


def large_stack() -> ResolvedStack:
    """As large as stacks are: what a slow rule is slow on."""
    return _resolved(
        "large",
        {
            "environment": "production",
            "models": list(_models()),
            "gateway": {"routes": list(_routes())},
            "governance": {
                "owner": "large@example.com",
                "riskTier": "high",
                "intendedPurpose": "x" * TEXT,
                "useCases": [f"use-{number}" for number in range(32)],
                "evidence": [
                    {"id": f"evidence-{number}", "ref": f"https://example.com/{'x' * 200}"}
                    for number in range(64)
                ],
            },
        },
    )


def small_stack() -> ResolvedStack:
    """With nothing that may be left out."""
    return _resolved(
        "small", {"models": [{"name": "gpt", "managed": {"provider": "openai", "model": "gpt-5-mini"}}]}
    )


def _resolved(name: str, spec: Manifest) -> ResolvedStack:
    metadata = {"name": name, "namespace": "default"}
    stack = AIStack.parse({"apiVersion": API_VERSION, "kind": "AIStack", "metadata": metadata, "spec": spec})
    meaning = resolve(stack, Catalog(default_images())).meaning
    if meaning is None:
        raise RuntimeError(f"the {name} stack names something that is not there")
    return meaning


def _models() -> Iterator[Manifest]:
    for number in range(MODELS):
        yield {
            "name": f"model-{number}",
            "license": "apache-2.0",
            "selfHosted": {
                "source": f"hf://example/model-{number}",
                "revision": "0e9e39f249a16976918f6564b8830bc894c89659",
                "accelerator": {"class": "cpu"},
                "runtime": {"env": [{"name": f"VARIABLE_{each}", "value": "x" * 200} for each in range(16)]},
            },
        }


def _routes() -> Iterator[Manifest]:
    for number in range(MODELS):
        yield {
            "name": f"route-{number}",
            "targets": [{"model": f"model-{number}"}],
            "fallbacks": [f"model-{(number + step) % MODELS}" for step in (1, 2, 3)],
        }


if __name__ == "__main__":
    main()
