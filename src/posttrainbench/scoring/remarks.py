"""Facts about a run that a reader of its score should know, one sentence each."""

from posttrainbench.records import Result


def remarks(result: Result) -> list[str]:
    """Return sentences on re-prompts, on time without a model provider, and on an early stop and ended processes."""
    sentences = []
    if result.reprompts:
        sentences.append(f"The agent's session was resumed {_times(result.reprompts)} after it had stopped early.")
    if result.provider_away_seconds >= 1:
        sentences.append(f"The agent was without a working model provider for {result.provider_away_seconds:.0f} s.")
    return [*sentences, *result.notes]


def restart_remark(result: Result) -> str:
    """Return a sentence on restarts, or an empty string. The leaderboard shows them beside the seeds."""
    return f"The agent was started over {_times(result.restarts)} after it had worked." if result.restarts else ""


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
