"""An honest agent: fine-tunes the base model on the benchmark's train split and evaluates the result.

If the benchmark has no train split, the rows are generated.
"""

import common
import recipe_settings
import training_rows

if __name__ == "__main__":
    task = common.load_task()
    args = recipe_settings.parser("sft").parse_args()
    rows, kind = training_rows.training_rows(task, args.steps * args.batch_size)
    print(f"fine-tuning {task['model']} on {len(rows)} {kind} examples of {task['benchmark']}", flush=True)
    common.fine_tune(task, rows, args)
    common.check(task)
