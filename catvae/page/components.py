"""Gradio's inputs as this app wants them: values come as they were sent, and our handlers refuse bad ones in words.

Subclasses keep the name of their parent (`is_template`), so Gradio's own page draws them, and a
session's component that Gradio builds anew after an update is of the same class.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from gradio.utils import get_upload_folder

from catvae.files import EXAMPLES
from catvae.page.addresses import files_by_address

Picture = str | bytes | None


class PhotoInput(gr.Image):
    """A picture that is handed on undecoded: `open_image` is on guard, Gradio's own decoding is not.

    Only files that were uploaded to this app or made by it, and the examples, are handed on: a client
    may name any path.
    """

    is_template = True

    def preprocess(self, payload: ImageData | None) -> Picture:
        """The path of a regular file, the bytes of a data: URI, or None for anything else."""
        if payload is None:
            return None
        if payload.url and payload.url.startswith("data:"):
            return bytes_within(payload.url)
        return own_file(payload.path)


def bytes_within(address: str) -> bytes:
    """The bytes in a data: URI; none, which no one can read, where it is broken."""
    try:
        return b64decode(address.partition(",")[2], validate=True)
    except (Base64Error, ValueError):
        return b""  # unreadable, in the visitor's words


def own_file(path: str | None) -> str | None:
    """The path, if it is a regular file in this app's folders, or none any more: uploads are swept. The same answer
    for all others, missing or not."""
    if not path:
        return None
    try:
        file = Path(path).resolve()
        ours = any(file.is_relative_to(Path(folder).resolve()) for folder in (get_upload_folder(), EXAMPLES))
        return str(file) if ours and (file.is_file() or not file.exists()) else None
    except (OSError, ValueError):
        return None


def as_sent(self: gr.components.Component, payload: Any) -> Any:
    """`preprocess` of an input whose value the handler checks: the value as it came."""
    return payload


class Choice(gr.Dropdown):
    """A dropdown whose value is checked by the handler."""

    is_template, preprocess = True, as_sent


class Options(gr.Radio):
    """A radio whose value is checked by the handler."""

    is_template, preprocess = True, as_sent


class Range(gr.Slider):
    """A slider whose value is checked by the handler."""

    is_template, preprocess = True, as_sent


class Count(gr.Number):
    """A number that is checked by the handler."""

    is_template, preprocess = True, as_sent


class LaterCount(Count):
    """A number that an endpoint takes since a later version: older clients do not send it."""


class Page(gr.Blocks):
    """A page whose endpoints go on to answer clients of before: what these do not send has its first value.

    Nothing that is named by an address gets further than here: Gradio would fetch it, without bounds, for any input.
    """

    def validate_inputs(self, block_fn: Any, inputs: list[Any]) -> None:
        if any(files_by_address(inputs)):
            raise gr.Error("Files are not taken by their addresses here.", print_exception=False)
        for block in block_fn.inputs[len(inputs) :]:
            if isinstance(block, LaterCount):
                inputs.append(block.value)
        super().validate_inputs(block_fn, inputs)
