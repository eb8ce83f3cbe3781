"""A create under a name that is taken: refused before money is held for it.

The API server asks webhooks first and looks whether the name is free afterwards, so such a create would hold
its cost until it expires, though nothing comes of it. That it can't come is known only of what exists while
the request is under way: what a cache shows may have been deleted before, and its name is free for this very
request. So a budget's entry of another stack of that name is only reason to ask the API server. Where that
shows one, it was there during the request, and the answer is the API server's own, as if it had looked then;
one that is deleted right after makes this answer no wrong one. Nothing is let in by it, and where the object
is gone or no entry is known yet, the money is held as for any other create.

A server-side apply creates or changes: where somebody else was first, the API server goes on with a change by
itself, so such a create is let on.
"""

from dataclasses import replace

from aistack.admission.request import AdmissionRequest
from aistack.admission.review import Priced, Verdict
from aistack.errors import NotFound
from aistack.kinds import AISTACK
from aistack.kube import Kube


async def unless_taken(request: AdmissionRequest, verdict: Verdict, kube: Kube) -> Verdict:
    """The verdict, or a refusal where a stack of this name exists. ApiError when that can't be read."""
    wanted = verdict.priced
    if request.operation != "CREATE" or request.dry_run or not verdict.allowed or wanted is None:
        return verdict
    if _is_applied(request) or not _may_be_taken(wanted) or not await _exists(wanted, kube):
        return verdict
    problem = f"metadata.name: AIStack {wanted.claim.stack} already exists; change it, or write another name"
    return replace(verdict, problems=(problem,), exists=True)


def _is_applied(request: AdmissionRequest) -> bool:
    managed = request.object["metadata"].get("managedFields", ())
    return any(each.get("operation") == "Apply" for each in managed)


def _may_be_taken(wanted: Priced) -> bool:
    """Whether a budget holds something for another stack of its name."""
    held = (entry for each in wanted.counting for entry in (*each.status.stacks, *each.status.pending))
    return any(entry.stack == wanted.claim.stack and entry.uid != wanted.claim.uid for entry in held)


async def _exists(wanted: Priced, kube: Kube) -> bool:
    namespace, _, name = wanted.claim.stack.partition("/")
    try:
        found = await kube.get(AISTACK, namespace, name)
    except NotFound:
        return False
    return bool(found["metadata"]["uid"] != wanted.claim.uid)
