"""The scripts of `ci/` are no package: they are found as they are when they run."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "ci"))
