"""Damaged checkpoints and teacher files are refused or read correctly, in about ten seconds of seeded mutations.

`.ci/campaign_checkpoints.py` is the long version.
"""

import os
from pathlib import Path

import pytest
from support.damaged_checkpoints import FILES, MUTATIONS, fuzz, killed_runs

ACCEPTED = {"silent", "clear error", "kills"}


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("name", FILES)
def test_damaged_files(tmp_path: Path, name: str, mutation: str) -> None:
    outcomes = fuzz(name, mutation, tmp_path, count=10**6, seconds=0.8)
    assert outcomes.keys() <= ACCEPTED, outcomes
    assert outcomes["clear error"]


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_runs(tmp_path: Path) -> None:
    outcomes = killed_runs(tmp_path, kills=4, seconds=10)
    assert outcomes.keys() <= ACCEPTED, outcomes
