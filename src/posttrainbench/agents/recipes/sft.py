"""An honest agent: fine-tunes the base model on the benchmark's train split and evaluates the result."""

import common
import recipe_settings

if __name__ == "__main__":
    task = common.load_task()
    args = recipe_settings.parser("sft").parse_args()
    rows = common.read_rows(task, "train")
    print(f"fine-tuning {task['model']} on {len(rows)} train examples of {task['benchmark']}", flush=True)
    common.fine_tune(task, rows, args)
    common.check(task)
