"""The exception tree: what a caller can't go on from.

AIStackError
├── SettingsError          the environment or a flag is wrong
├── NotLeader              a write was about to happen without a valid lease
└── ApiError               the API server answered with an error (status, reason, message)
    ├── NotFound           404
    ├── Conflict           409: a precondition (uid, resourceVersion) or a field manager conflict
    ├── Gone               410: the resourceVersion of a watch or a list is too old
    ├── Refused            400, 403, 422: the object won't be accepted as it is
    └── Unavailable        429, 5xx, a broken connection: the same call may succeed later
"""


class AIStackError(Exception):
    """The root of every error that the operator raises itself."""


class SettingsError(AIStackError):
    """A setting is missing or malformed; the message names it and says what to write."""


class NotLeader(AIStackError):
    """This process may not write: another one holds the lease, or it could not be renewed."""


class ApiError(AIStackError):
    """An error answer of the API server: `status` is the HTTP code, `reason` and `message` its own words."""

    def __init__(self, status: int, reason: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        """Seconds after which the server wants to be asked again."""


class NotFound(ApiError):
    pass


class Conflict(ApiError):
    pass


class Gone(ApiError):
    pass


class Refused(ApiError):
    pass


class Unavailable(ApiError):
    pass
