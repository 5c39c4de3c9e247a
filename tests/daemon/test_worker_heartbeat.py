"""The fleet's readers see which workers live and how they stand; no job depends on it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aistratus_contracts.limits import MAX_REFUSAL_CHARS, SIGN_OF_LIFE_SECONDS
from support.cloud import TABLE, Cloud, emulated_cloud
from support.scripted_engine import ScriptedEngine, scripted_engine, stats
from support.worker_process import running_worker


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with emulated_cloud() as cloud:
        yield cloud


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[ScriptedEngine]:
    with scripted_engine(tmp_path) as engine:
        yield engine


def test_a_worker_is_seen_once_its_engine_is_ready_and_no_more_when_it_has_drained(
    cloud: Cloud, tmp_path: Path
) -> None:
    with running_worker(cloud, tmp_path / "scripted.sock", tmp_path, worker_id="w-1") as worker:
        while "Started." not in worker.log_file.read_text():
            assert worker.process.poll() is None
        assert cloud.signs_of_life() == []
        with scripted_engine(tmp_path, slots=7):
            sign = cloud.until_sign_of_life("w-1")
            assert (sign.worker_id, sign.slots, sign.held_jobs) == ("w-1", 7, 0)
            assert datetime.now(UTC) - sign.seen_at < timedelta(seconds=SIGN_OF_LIFE_SECONDS)
            assert worker.stop() == 0
    assert cloud.signs_of_life() == []


def test_an_engine_that_refuses_to_start_is_told_with_its_reason_until_one_is_ready(
    cloud: Cloud, tmp_path: Path
) -> None:
    word = tmp_path / "engine-refusal"
    with running_worker(
        cloud,
        tmp_path / "scripted.sock",
        tmp_path,
        worker_id="w-refused",
        AISTRATUS_ENGINE_REFUSAL_FILE=str(word),
    ) as worker:
        while "Started." not in worker.log_file.read_text():
            assert worker.process.poll() is None
        word.write_text("No GPU was found, so the engine does not start.\n" + "x" * 5000)
        sign = cloud.until_sign_of_life("w-refused")
        assert sign.refusal.startswith("No GPU was found, so the engine does not start. xxx")
        assert (sign.slots, len(sign.refusal)) == (0, MAX_REFUSAL_CHARS)
        word.unlink()
        with scripted_engine(tmp_path, slots=7):
            ready = cloud.until_sign_of_life("w-refused", lambda sign: sign.slots == 7)
            assert ready.refusal == ""
            assert worker.stop() == 0


def test_it_says_what_it_holds_what_its_engine_counts_and_that_it_still_lives(
    cloud: Cloud, engine: ScriptedEngine, tmp_path: Path
) -> None:
    with running_worker(cloud, engine.socket_path, tmp_path, worker_id="w-3"):
        first = cloud.until_sign_of_life("w-3")
        assert first.stats == {}
        job = cloud.put_job("the alphabet, please")
        request = engine.next_request()
        engine.send(stats(requests_processing=1, kv_cache_usage_ratio=0.5))
        second = cloud.until_sign_of_life("w-3", lambda sign: sign.held_jobs == 1)
        assert second.seen_at >= first.seen_at + timedelta(seconds=SIGN_OF_LIFE_SECONDS)
        assert second.stats["requests_processing"] == 1
        assert second.stats["kv_cache_usage_ratio"] == 0.5
        engine.finish(request)
        cloud.until_end(job)
        cloud.until_queue_is_empty()


def test_a_killed_worker_s_last_word_stays_for_a_day(
    cloud: Cloud, engine: ScriptedEngine, tmp_path: Path
) -> None:
    with running_worker(cloud, engine.socket_path, tmp_path, worker_id="w-2") as worker:
        sign = cloud.until_sign_of_life("w-2")
        worker.kill()
    (item,) = (
        item
        for item in cloud.dynamodb.scan(TableName=TABLE)["Items"]
        if item["sk"]["S"] == "WORKER#w-2"
    )
    kept_until = datetime.fromtimestamp(int(item["expires_at"]["N"]), UTC)
    assert abs(kept_until - sign.seen_at - timedelta(days=1)) < timedelta(seconds=1)


def test_a_sign_that_cannot_be_written_is_a_warning_and_work_goes_on(
    engine: ScriptedEngine, tmp_path: Path
) -> None:
    with emulated_cloud() as cloud:
        # No key of a table may be so long.
        with running_worker(cloud, engine.socket_path, tmp_path, worker_id="w" * 2000) as worker:
            job = cloud.put_job("the alphabet, please")
            engine.finish(engine.next_request())
            cloud.until_end(job)
            cloud.until_queue_is_empty()
            assert worker.stop() == 0
        assert cloud.signs_of_life() == []
    warnings = [line["message"] for line in worker.log() if line["level"] == "warning"]
    assert any("sign of life could not be written" in text for text in warnings), warnings


def test_what_the_engine_counts_is_in_the_log_for_cloudwatch(
    cloud: Cloud, engine: ScriptedEngine, tmp_path: Path
) -> None:
    with running_worker(cloud, engine.socket_path, tmp_path, worker_id="w-4") as worker:
        cloud.until_sign_of_life("w-4")
        engine.send(stats())
        engine.send(stats(tokens_predicted_total=9, tokens_predicted_seconds_total=3.0))
        while not (found := [line for line in worker.log() if "_aws" in line]):
            assert worker.process.poll() is None
    (record,) = found
    assert record["Environment"] == "test"
    assert record["tokens_predicted_total"] == 9
    assert record["predicted_tokens_seconds"] == 3.0
