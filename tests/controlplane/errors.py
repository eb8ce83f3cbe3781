"""What can go wrong; every message says what was seen and what to do.

ControlPlaneError
├── MissingProgram     something that has to be installed first
├── BuildFailed        a program did not compile
├── StartFailed        a process of the control plane ended or never became ready
├── CommandFailed      a command that a caller ran (kubectl) ended with an error
└── RequestFailed      the API server answered with an error
"""


class ControlPlaneError(Exception):
    """The control plane can't be had; the message says why and what to do."""


class MissingProgram(ControlPlaneError):
    """A program that has to be installed first."""


class BuildFailed(ControlPlaneError):
    """A program did not compile; the message ends with the compiler's last lines."""


class StartFailed(ControlPlaneError):
    """A process ended, or was not ready in time; the message ends with the last lines of its log."""


class CommandFailed(ControlPlaneError):
    """A command ended with an error; the message holds what it wrote."""


class RequestFailed(ControlPlaneError):
    """The API server answered with an error.

    `code` is the HTTP status; the message is the server's own.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
