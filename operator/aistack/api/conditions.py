"""The types of conditions and the reasons they give: one enumeration each, documented in docs/reasons.md."""

from enum import StrEnum


class ConditionType(StrEnum):
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    MODELS_READY = "ModelsReady"
    GATEWAY_READY = "GatewayReady"
    AUTOSCALING_READY = "AutoscalingReady"
    EXPOSED = "Exposed"
    POLICY_COMPLIANT = "PolicyCompliant"
    POLICY_WAIVED = "PolicyWaived"
    WITHIN_BUDGET = "WithinBudget"
    WITHIN_LIMIT = "WithinLimit"
    METERED = "Metered"
    WITHIN_THRESHOLDS = "WithinThresholds"
    WITHIN_MONTHLY_LIMITS = "WithinMonthlyLimits"


class Reason(StrEnum):
    """Why a condition or a component is as it is. Each has a row in docs/reasons.md."""

    READY = "Ready"
    SUSPENDED = "Suspended"
    AT_ZERO = "AtZero"
    # the spec can't be served
    INVALID_REFERENCE = "InvalidReference"
    NOT_SUPPORTED = "NotSupported"
    NAME_TAKEN = "NameTaken"
    INVALID_SPEC = "InvalidSpec"
    UNREADABLE = "Unreadable"
    NOT_PINNED = "NotPinned"
    POLICY_VIOLATED = "PolicyViolated"
    POLICIES_KEPT = "PoliciesKept"
    EXCEPTION_HOLDS = "ExceptionHolds"
    EXCEPTION_ENDS = "ExceptionEnds"
    BUDGET_EXCEEDED = "BudgetExceeded"
    BUDGET_FULL = "BudgetFull"
    COST_TOO_LARGE = "CostTooLarge"
    PRICE_UNKNOWN = "PriceUnknown"
    CURRENCY_DIFFERS = "CurrencyDiffers"
    RESERVED = "Reserved"
    OVER_LIMIT = "OverLimit"
    METERED = "Metered"
    METRICS_MISSING = "MetricsMissing"
    BELOW_THRESHOLDS = "BelowThresholds"
    THRESHOLD_REACHED = "ThresholdReached"
    DEGRADED = "Degraded"
    STOPPED = "Stopped"
    BELOW_LIMITS = "BelowLimits"
    LIMIT_REACHED = "LimitReached"
    # being brought about
    PROGRESSING = "Progressing"
    TERMINATING = "Terminating"
    # a part can't run
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CRASH_LOOP = "CrashLoop"
    OUT_OF_MEMORY = "OutOfMemory"
    CONTAINER_CONFIG_ERROR = "ContainerConfigError"
    PROBE_FAILED = "ProbeFailed"
    EVICTED = "Evicted"
    VOLUME_PENDING = "VolumePending"
    QUOTA_EXCEEDED = "QuotaExceeded"
    ADMISSION_DENIED = "AdmissionDenied"
    PODS_NOT_CREATED = "PodsNotCreated"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    APPLY_FAILED = "ApplyFailed"
    CONFIGURATION_NOT_LIVE = "ConfigurationNotLive"
    DEMAND_UNKNOWN = "DemandUnknown"
    # autoscaling
    METRICS_API_MISSING = "MetricsApiMissing"
    AUTOSCALER_FAILED = "AutoscalerFailed"
    # publication
    GATEWAY_API_MISSING = "GatewayApiMissing"
    ROUTE_NOT_ACCEPTED = "RouteNotAccepted"
    CERT_MANAGER_MISSING = "CertManagerMissing"


STALLING = frozenset(
    {
        Reason.INVALID_REFERENCE,
        Reason.INVALID_SPEC,
        Reason.UNREADABLE,
        Reason.NOT_SUPPORTED,
        Reason.NAME_TAKEN,
        Reason.POLICY_VIOLATED,
        Reason.BUDGET_EXCEEDED,
        Reason.BUDGET_FULL,
        Reason.COST_TOO_LARGE,
        Reason.PRICE_UNKNOWN,
        Reason.CURRENCY_DIFFERS,
        Reason.DEADLINE_EXCEEDED,
    }
)
"""Reasons that time doesn't heal: the stack is Stalled, not Reconciling, until a person does something."""
