"""The queue of jobs: order, GPUs, slots and retries."""

import pytest

from posttrainbench.launch.queue import MAX_RETRY_SECONDS, RETRY_SECONDS, Job, JobQueue


def queue(*jobs: Job, concurrency: int | None = None, evaluations: int = 0, retries: int = 2) -> JobQueue:
    made = JobQueue(concurrency, evaluations, retries)
    made.add(jobs)
    return made


def started(made: JobQueue, now: float = 0.0, free: tuple[int, ...] = ()) -> list[tuple[str, tuple[int, ...]]]:
    return [(job.key, gpus) for job, gpus in made.start(now, free)]


def test_two_jobs_never_have_the_same_gpu() -> None:
    made = queue(*(Job(str(number), "agent", 1) for number in range(4)))
    assert started(made, free=(0, 1)) == [("0", (0,)), ("1", (1,))]
    assert started(made, free=(0, 1)) == []  # a stale list of free GPUs
    made.end("1", "done", 0.0)
    assert started(made, free=(0, 1)) == [("2", (1,))]


def test_a_large_job_is_not_starved_by_small_ones() -> None:
    made = queue(Job("small", "agent", 1), Job("large", "agent", 2), Job("later", "agent", 1))
    assert started(made, free=(0, 1)) == [("small", (0,))]
    made.end("small", "done", 0.0)
    assert started(made, free=(0, 1)) == [("large", (0, 1))]


def test_named_gpus_are_waited_for() -> None:
    made = queue(Job("a", "agent", (1,)), Job("b", "agent", (1,)))
    assert started(made, free=(0,)) == []
    assert started(made, free=(0, 1)) == [("a", (1,))]
    made.end("a", "done", 0.0)
    assert started(made, free=(0, 1)) == [("b", (1,))]


def test_an_evaluation_goes_first_and_uses_a_slot() -> None:
    made = queue(Job("a", "agent"), Job("b", "agent"), Job("c", "agent"), concurrency=2)
    assert started(made) == [("a", ()), ("b", ())]
    assert not made.end("a", "done", 0.0, Job("a", "evaluation"))
    assert started(made) == [("a", ())]
    assert made.end("a", "done", 0.0)
    assert started(made) == [("c", ())]


def test_evaluations_with_slots_of_their_own_leave_the_others_to_agents() -> None:
    made = queue(*(Job(key, "agent") for key in "abc"), concurrency=1, evaluations=1)
    assert started(made) == [("a", ())]
    made.end("a", "done", 0.0, Job("a", "evaluation"))
    assert started(made) == [("a", ()), ("b", ())]
    made.end("b", "done", 0.0, Job("b", "evaluation"))
    assert started(made) == [("b", ())]  # one evaluation has its own slot, the other takes that of agents
    assert started(made) == []


def test_retries_are_bounded_and_spaced() -> None:
    made = queue(Job("a", "agent"), retries=2)
    now, starts = 0.0, 0
    while not made.is_empty:
        if started(made, now):
            starts += 1
            ended = made.end("a", "failed", now)
            assert ended == (starts == 3)
        now += RETRY_SECONDS / 2
    assert starts == 3
    assert now >= RETRY_SECONDS + 2 * RETRY_SECONDS


def test_earlier_failures_count() -> None:
    made = queue(Job("a", "agent", failures=2), retries=2)
    made.start(0.0)
    assert made.end("a", "failed", 0.0)


@pytest.mark.parametrize("ending", ["refused", "busy", "interrupted"])
def test_what_is_not_a_failure_is_not_retried(ending: str) -> None:
    made = queue(Job("a", "agent"))
    made.start(0.0)
    assert made.end("a", ending, 0.0)  # type: ignore[arg-type]
    assert made.is_empty


def test_the_pause_before_a_retry_is_limited() -> None:
    made = queue(Job("a", "agent", failures=90), retries=100)
    made.start(0.0)
    made.end("a", "failed", 0.0)
    assert made.next_retry == MAX_RETRY_SECONDS


def test_agents_that_have_not_started_are_dropped() -> None:
    made = queue(Job("a", "agent"), Job("b", "evaluation"), Job("c", "all"), Job("d", "agent", not_before=9.0))
    assert made.drop_agents()
    assert not made.drop_agents()
    assert started(made, 10.0) == [("b", ())]


def test_a_delayed_job_holds_up_no_other() -> None:
    made = queue(Job("late", "agent", not_before=5.0), Job("now", "agent"), concurrency=1)
    assert started(made, 0.0) == [("now", ())]
    made.end("now", "done", 1.0)
    assert started(made, 1.0) == []
    assert started(made, 5.0) == [("late", ())]
