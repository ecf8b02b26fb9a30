"""Photos that visitors sent, kept for an hour under a hash of their content."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

from catvae.serving.sweep import temp_folder


def keep_photo(content: bytes) -> str:
    """Its key. The photo is swept with all others; who sends it again keeps it for longer."""
    folder = temp_folder() / "front"
    folder.mkdir(parents=True, exist_ok=True)
    key = sha256(content).hexdigest()
    (folder / key).write_bytes(content)
    return key


def kept_photo(key: Any) -> Path | None:
    """Where the photo of a key lies; None if it does not (any more)."""
    if not isinstance(key, str) or not re.fullmatch("[0-9a-f]{64}", key):
        return None
    path = temp_folder() / "front" / key
    return path if path.is_file() else None
