"""What a user can mend, under one base: the command lines print these messages and let bugs show their traceback."""


class UserError(Exception):
    """Something the user can mend; the message names the thing and says what to do."""


class SettingError(UserError, ValueError):
    """A setting outside of what is possible, such as one step, or a batch of no faces."""


class ImageError(UserError, ValueError):
    """A picture that cannot be used.

    `reason` is "missing", "unreadable", "too_large" (pixels), "too_heavy" (bytes) or "too_narrow"; where visitors share
    a server also "too_much" (work) or "busy".
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class DataError(UserError, ValueError):
    """A source of faces that cannot be used."""


class CheckpointError(UserError, RuntimeError):
    """Weights that cannot be used: missing, damaged, or of another architecture."""


class TrainingError(UserError, RuntimeError):
    """Training that cannot start, resume or go on."""


class MissingPackageError(UserError, RuntimeError):
    """An optional package, or the weights in it, is not installed or not what it should be."""


class HubError(UserError, RuntimeError):
    """The Hub refused or could not be reached."""
