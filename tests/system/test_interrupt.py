"""`make interrupt` takes the demo's instance away; who was being answered gets the whole answer."""

from pathlib import Path

from support.system import (
    Demo,
    Person,
    demo_environment,
    run_local,
    signed_in,
    started_demo,
    text_of,
)

# More than an instance answers at a time: whenever its worker looks, all its slots are busy.
JOBS = 30


def test_answers_go_on_on_the_next_instance(tmp_path: Path) -> None:
    with started_demo(tmp_path, "--no-app") as demo:
        demo.until("Ready")
        state = demo.state
        with signed_in(state, state["user"], state["password"]) as person:
            jobs = [ask(person) for _ in range(JOBS)]
            told = run_local("interrupt", environment=demo_environment(tmp_path))
            assert told.returncode == 0
            assert told.stdout.startswith("The instance has a Spot notice")
            answers = []
            while restarts(demo) == 0:
                answers.append(person.follow(jobs.pop(0)))
                jobs.append(ask(person))
            answers += [person.follow(job_id) for job_id in jobs]
        assert all(events[-1]["state"]["state"] == "succeeded" for events in answers)
        assert len({text_of(events) for events in answers}) == 1, "interrupted or not"
        assert any(events[-1]["attempt"] == 2 for events in answers), "some were interrupted"
        # It is another instance, of whose end nothing is known: its worker stays.
        assert restarts(demo) == 1
    assert "  ✓ worker (exit code 0), started again" in "".join(demo.lines)


def ask(person: Person) -> str:
    return str(person.ask("Tell me about the whole journey of a prompt")["job_id"])


def restarts(demo: Demo) -> int:
    return sum("started again" in line for line in demo.lines)


def test_nothing_to_interrupt_is_one_sentence(tmp_path: Path) -> None:
    ended = run_local("interrupt", environment=demo_environment(tmp_path))
    assert ended.returncode == 1
    assert ended.stdout == "No demo runs here with these ports. Start one first: make demo\n"
