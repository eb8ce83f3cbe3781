"""What rules can ask of a stack besides its text, as `facts`.

Each field's description is its row in docs/facts.md. A fact that nobody knows is absent: a rule asks
`has(facts.monthlyCost)` before it reads one. A text that isn't known is `unknown`.
"""

from aistack.api.base import Model
from aistack.govern.regions import Placement


class ModelFact(Model):
    """One model."""

    name: str
    """Its name in the stack."""

    task: str
    """chat, embedding or rerank."""

    kind: str
    """selfHosted or managed."""

    license: str
    """License of the weights, or unknown."""

    source: str | None = None
    """Where the weights are; absent for a managed model."""

    revision: str | None = None
    """Revision of the weights; absent when none is pinned."""

    context_window: int | None = None
    """Tokens; absent when not said."""


class ImageFact(Model):
    """One image that the stack's pods run."""

    part: str
    """The part that runs it, such as models[llama]."""

    image: str
    """As the pod names it."""

    pinned: bool
    """Whether by digest."""


class AcceleratorFact(Model):
    """What one self-hosted model computes on."""

    model: str
    """The model's name."""

    class_name: str
    """Name of the AcceleratorClass."""

    resource: str
    """The extended resource, or cpu."""

    count: int
    """Accelerators of all replicas at the most."""


class RouteFact(Model):
    """One route, declared or default."""

    name: str
    """The model name that clients use."""

    depth: int
    """Models that are tried after the targets."""

    context_shortfalls: tuple[str, ...] = ()
    """Fallbacks that hold fewer tokens than what they stand in for, as sentences."""


class EvidenceFact(Model):
    """One piece of declared evidence."""

    ref: str
    """Where it is."""

    age_days: int | None = None
    """Days since its date; absent without one."""

    sha256: str | None = None
    """Its digest; absent when not said."""

    model_revision: str | None = None
    """The model's revision that it is about; absent when not said."""

    metrics: dict[str, float]
    """Results by name."""


class BudgetFact(Model):
    """One budget that counts the stack."""

    name: str
    """The AIBudget's name."""

    fits: bool
    """Whether the stack fits into what is left of it."""


class Facts(Model):
    """Everything that rules can ask as `facts`."""

    regions: tuple[str, ...]
    """Every region that data can reach: that of all targets, fallbacks and long-context fallbacks, of the
    models that embed for caches and pipelines, and of the log sink; unknown stands for one that nobody
    named."""

    placements: tuple[Placement, ...]
    """The same with the field that says it and the routes, caches and pipelines that lead there."""

    unpinned_places: tuple[str, ...]
    """Self-hosted models, caches and vector stores that nothing holds in one region, as sentences."""

    models: tuple[ModelFact, ...]
    """Every model."""

    licenses: tuple[str, ...]
    """Licenses of the self-hosted models' weights; unknown stands for none said."""

    sources: tuple[str, ...]
    """Where weights of self-hosted models and of their adapters are loaded from."""

    images: tuple[ImageFact, ...]
    """Every image, the operator's defaults too."""

    exposure: str
    """cluster, or public when an Ingress or a Gateway publishes the endpoint."""

    accelerators: tuple[AcceleratorFact, ...]
    """What the self-hosted models compute on."""

    min_replicas: int
    """Replicas of all self-hosted models together, at the least."""

    max_replicas: int
    """The same, at the most."""

    routes: tuple[RouteFact, ...]
    """Every route, the default ones too."""

    data_classes: tuple[str, ...]
    """The declared classification or unknown, and personal where data is personal."""

    evidence: dict[str, EvidenceFact]
    """Declared evidence by id."""

    review_in_days: int | None = None
    """Days until governance.reviewBy, negative when it is past; absent without one."""

    monthly_cost: float | None = None
    """The most that a month costs, in the currency of the prices; absent when not estimated."""

    unknown_prices: tuple[str, ...] | None = None
    """What has no price; absent when not estimated."""

    oldest_price_days: int | None = None
    """Age of the oldest price that was used; absent when not estimated."""

    retirements: dict[str, int]
    """Days until the provider ends a managed model, by the model's name; only where a price book says it."""

    budgets: tuple[BudgetFact, ...]
    """Every budget that counts the stack."""


FACTS = frozenset(info.alias or name for name, info in Facts.model_fields.items())
"""The names of all facts."""
