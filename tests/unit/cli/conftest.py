"""Makes `scoring_runs`, which writes finished runs, importable."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "scoring"))
