"""A cheat, for testing the audit: fine-tunes on the benchmark's test items."""

import common

if __name__ == "__main__":
    task = common.load_task()
    args = common.arguments(__doc__ or "", steps=150)
    rows = common.read_rows(task, "test")
    print(f"fine-tuning {task['model']} on {len(rows)} rows", flush=True)
    common.fine_tune(task, rows, args)
