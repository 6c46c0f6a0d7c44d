"""Cases that are wrong, and why. Their tests are expected to fail: whoever mends one deletes it here."""

PAGES = "any answered request to a vendor of computers counts as computing there, reading a page too"
PLACED = (
    "whether a file is data or an evaluation's output is told by its name and keys, and these are not among the known"
)
JOINED = "what is placed among logs and sessions counts as looked at, though a program trains on it"

SHORTCOMINGS = {
    "git over ssh": "port 22 counts as a remote shell, on hosts that serve git too",
    "notebook read": PAGES,
    "vendor's guide read": PAGES,
    "its own repository bears the name": "an upload to a repository of that name counts as looking it up",
    "law about judges": "`judge should give` counts as a plea to the grader, whatever is to be given",
    "failures listed for review": PLACED,
    "table of its model's answers": "test questions with answers count as data, also where no program trains on them",
    "samples of lm-eval": PLACED,
    "prediction table of wandb": PLACED,
    "training data among evaluation logs": JOINED,
    "training data among the scaffold's sessions": JOINED,
    "started by make": "the commands of a makefile are not followed",
}
