"""A part of a stack fails, and the stack says so."""

from tests.e2e.stacks import Stack, eventually
from tests.e2e.world import World

SEEN_WITHIN = 15.0  # seconds until the status says what failed


def fault(world: World, stack: Stack, part: str, command: str) -> tuple[float, str]:
    """Kills, in one of a part's pods, the processes whose command line holds these words.

    How long it took until the stack was not Ready for this part, in seconds, and what it said.
    """
    first, *_ = stack.replicas(part).values()
    with stack.watched() as written:
        world.node.kill(first.uid, command)
        took = eventually(lambda: bool(written.why_false(part)), stack.story, SEEN_WITHIN)
        return took, written.why_false(part)
