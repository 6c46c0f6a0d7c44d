"""An honest agent: fine-tunes the base model on the benchmark's train split and evaluates the result.

If the benchmark has no train split, the rows are generated.
"""

from pathlib import Path

import common
import generated
import recipe_settings

if __name__ == "__main__":
    task = common.load_task()
    args = recipe_settings.parser("sft").parse_args()
    if Path(task["kit"], "data", "train.jsonl").exists():
        rows, kind = common.read_rows(task, "train"), "train"
    elif task["benchmark"] in generated.GENERATORS:
        rows, kind = generated.GENERATORS[task["benchmark"]](args.steps * args.batch_size, task["seed"]), "generated"
    else:
        raise SystemExit(f"{task['benchmark']} has no train split, and this recipe cannot generate rows for it")
    print(f"fine-tuning {task['model']} on {len(rows)} {kind} examples of {task['benchmark']}", flush=True)
    common.fine_tune(task, rows, args)
    common.check(task)
