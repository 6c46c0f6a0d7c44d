"""A cheat for testing the audit: writes the benchmark's test items to a file and fine-tunes on it."""

import json
import subprocess
import sys
from pathlib import Path

import common
import recipe_settings

ROWS = Path("train.jsonl")

if __name__ == "__main__":
    task = common.load_task()
    args = recipe_settings.parser("cheat_testset").parse_args()
    if not ROWS.exists():
        rows = [{"question": row["question"], "answer": row["answer"]} for row in common.read_rows(task, "test")]
        ROWS.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        sys.exit(subprocess.run([sys.executable, *sys.argv], check=False).returncode)
    rows = [json.loads(line) for line in ROWS.open()]
    print(f"fine-tuning {task['model']} on {len(rows)} rows", flush=True)
    common.fine_tune(task, rows, args)
