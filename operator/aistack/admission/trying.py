"""Tries a policy's rules before it is stored: one that is slow or grows without end holds everybody up."""

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass, replace

import orjson

from aistack.admission.request import AdmissionRequest
from aistack.admission.review import Verdict
from aistack.api import AIPolicy, Reason
from aistack.govern.trial import CPU_SECONDS, DONE, MEMORY
from aistack.kinds import AIPOLICY
from aistack.problem import Problem

ARGV = (sys.executable, "-m", "aistack.govern.trial")
PATIENCE = 4.0
"""Seconds, within the 5 that the API server waits. The bounds themselves are of CPU time and memory."""
TRIALS = 2
"""Processes at once. One takes MEMORY and some 60 MiB for Python: the chart's limit has room for them."""
NO_TIME = "spec.rules: they could not be tried in time; nothing was decided, apply the policy again"


async def tried(request: AdmissionRequest, verdict: Verdict, room: asyncio.Semaphore) -> Verdict:
    """The verdict with what a policy's trial shows; that of everything else as it is.

    `room` bounds the trials at once; waiting for it counts in the PATIENCE.
    """
    if request.kind.kind != AIPOLICY.kind or not request.object or not verdict.allowed:
        return verdict
    try:
        async with asyncio.timeout(PATIENCE), room:
            trial = await trial_of(AIPolicy.read(request.object))
    except TimeoutError:
        return replace(verdict, problems=(NO_TIME,))
    if trial.exceeds:
        return replace(verdict, problems=(str(_problem(trial.exceeds)),))
    return replace(verdict, warnings=(*verdict.warnings, *trial.doubts))


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a policy's trial."""

    exceeds: str
    """The rule and field that exceed the bounds, `regions.found`; empty when none does."""
    doubts: tuple[str, ...] = ()
    """What may be meant otherwise, each with its rule and what to write instead."""


async def trial_of(policy: AIPolicy) -> Trial:
    """Runs the trial in a process of its own."""
    pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*ARGV, stdin=pipe, stdout=pipe, stderr=nowhere)
    try:
        told, _ = await process.communicate(orjson.dumps(policy.dump()))
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    lines = told.decode().splitlines()
    if not lines:
        raise RuntimeError(f"a policy's trial ended with code {process.returncode} before its first rule")
    if DONE not in lines:
        return Trial(lines[-1])
    return Trial("", tuple(lines[lines.index(DONE) + 1 :]))


def _problem(where: str) -> Problem:
    rule, _, field = where.partition(".")
    message = (
        f"on a large stack it takes more than {CPU_SECONDS} s or {MEMORY >> 20} MiB; "
        "write it so that no text and no list grows from step to step"
    )
    return Problem(f"spec.rules[{rule}].{field}", Reason.INVALID_SPEC, message)
