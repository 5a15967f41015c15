"""Format of packed shards, which consist of a file of samples and a JSON file."""

import hashlib
import json
import zlib
from dataclasses import asdict, dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DataError
from .audioset import Segments

FULL_SCALE = 32767  # int16 value of the sample 1.0


@dataclass(frozen=True)
class ShardFormat:
    """Settings of packed shards.

    With the default values, a clip needs 640 kB and a shard 320 MB.

    Parameters
    ----------
    sample_rate_hz : sample rate of the packed clips in Hz
    clip_seconds : length of the packed clips in seconds
    shard_clips : number of table rows per shard. Rows without a recording need no disk space

    Raises
    ------
    ConfigError
        A setting is out of range.
    """

    sample_rate_hz: int = 32000
    clip_seconds: float = 10.0
    shard_clips: int = 500

    def __post_init__(self) -> None:
        counts = all(isinstance(n, Integral) and n >= 1 for n in (self.sample_rate_hz, self.shard_clips))
        if not (
            counts and isinstance(self.clip_seconds, Real) and 0.5 < self.clip_seconds * self.sample_rate_hz < 1 << 32
        ):
            raise ConfigError(f"expected sample_rate_hz, shard_clips and samples per clip of at least 1, got {self}")
        for name, value in asdict(self).items():
            object.__setattr__(self, name, type(getattr(ShardFormat, name))(value))  # NumPy numbers are not JSON

    @property
    def samples(self) -> int:
        """Number of samples of a clip."""
        return round(self.sample_rate_hz * self.clip_seconds)


@dataclass
class Shard:
    """Content of the JSON file of a shard.

    Attributes
    ----------
    identity : identity of table and format, see `shard_identity`
    rows : table row of each packed clip
    crc32 : CRC-32 checksum of the samples of each packed clip
    missing : number of table rows without a recording
    unreadable : names of the recordings that cannot be read
    checksum : CRC-32 checksum of the other fields
    """

    identity: dict[str, Any]
    rows: list[int] = field(default_factory=list)
    crc32: list[int] = field(default_factory=list)
    missing: int = 0
    unreadable: list[str] = field(default_factory=list)
    checksum: int | None = None

    def computed_checksum(self) -> int:
        """Return the CRC-32 checksum of all fields except `checksum`."""
        return zlib.crc32(json.dumps(asdict(self) | {"checksum": None}).encode())


def read_shard(json_path: Path) -> Shard:
    """Return the content of the JSON file of a shard. Raises DataError if the file is missing or malformed."""
    try:
        if not json_path.is_file():
            raise ValueError("no such file")
        shard = Shard(**json.loads(json_path.read_bytes()))
        if shard.checksum != shard.computed_checksum():
            raise ValueError("invalid or changed fields")
        return shard
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{json_path} is not a shard description ({error}); delete it and pack again") from error


def shard_identity(segments: Segments, shard_format: ShardFormat) -> dict[str, Any]:
    """Return a dictionary that identifies the table and the format of a shard."""
    digest = hashlib.blake2b(segments.ids.tobytes() + segments.starts.tobytes(), digest_size=8).hexdigest()
    return {"table": segments.name, "rows": len(segments), "digest": digest, **asdict(shard_format)}
