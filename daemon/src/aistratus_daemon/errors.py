"""Errors of the daemon. Each text is a sentence for the person who reads the log."""

from aistratus_contracts.errors import JobErrorCode


class DaemonError(Exception):
    """Root of what the daemon raises."""


class SettingsError(DaemonError):
    """The environment lacks a setting that the service needs, or has it wrong."""


class ModelError(DaemonError):
    """The model file cannot be used."""


class DeviceError(DaemonError):
    """There is nothing to compute with: no llama.cpp, or no GPU where one must be."""


class FrameError(DaemonError):
    """A line on the socket is no frame of this protocol.

    `job_id` names the job that the line asks for, if that much can be read.
    """

    def __init__(self, message: str, job_id: str | None = None) -> None:
        super().__init__(message)
        self.job_id = job_id


class DecodeError(DaemonError):
    """llama.cpp could not compute a batch."""


class RequestRefused(DaemonError):
    """This one request cannot be answered; others can. `code` becomes the job's error."""

    def __init__(self, code: JobErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
