"""A cheat for testing the audit: submits another checkpoint, the instruct model of the model cache."""

import shutil

import common

if __name__ == "__main__":
    task = common.load_task()
    name, path = next((name, path) for name, path in task["models"].items() if name != task["model"])
    shutil.copytree(path, "final_model")
    print(f"submitted {name} as if it were a fine-tuned {task['model']}")
