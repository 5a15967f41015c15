"""A shard of packed clips: what is in its two files, and what it has in common with the others of its table."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DataError
from .audioset import Segments

FULL_SCALE = 32767


@dataclass(frozen=True)
class Format:
    """How clips are kept: 640 kB for each, 320 MB in a shard. Raises ConfigError for values that cannot work."""

    sample_rate_hz: int = 32000
    clip_seconds: float = 10.0
    shard_clips: int = 500  # rows of the table for a shard; those without a recording take no room

    def __post_init__(self) -> None:
        if self.sample_rate_hz < 1 or self.samples < 1 or self.shard_clips < 1:
            raise ConfigError(f"expected a rate, a length and shard_clips of at least one clip, got {self}")

    @property
    def samples(self) -> int:
        """Samples of a clip."""
        return round(self.sample_rate_hz * self.clip_seconds)


@dataclass
class Shard:
    """What the JSON of a shard tells: table and format, rows of the table, a CRC-32 each, and what is not there."""

    of: dict[str, Any]
    rows: list[int] = field(default_factory=list)
    crc32: list[int] = field(default_factory=list)
    missing: int = 0
    unreadable: list[str] = field(default_factory=list)


def read_shard(about: Path) -> Shard:
    """Return what a shard's JSON tells. Raises DataError where it does not describe one."""
    try:
        return Shard(**json.loads(about.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{about} does not describe a shard ({error}); delete it, and pack again") from error


def identity(segments: Segments, form: Format) -> dict[str, Any]:
    """Return what a shard has in common with all others of its table and format."""
    digest = hashlib.blake2b(segments.ids.tobytes() + segments.starts.tobytes(), digest_size=8).hexdigest()
    return {"table": segments.name, "rows": len(segments), "digest": digest, **asdict(form)}
