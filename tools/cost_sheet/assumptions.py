"""The sheet's assumptions. A test compares those that come from the code with the code."""

from math import log
from typing import Final

from aistratus_contracts.known_models import known_models

HOURS_PER_MONTH: Final = 730
DAYS_PER_MONTH: Final = HOURS_PER_MONTH / 24

# --- the image ------------------------------------------------------------------------------
# The root volume's size comes from packer/worker. A snapshot holds all blocks that were written.
# The used part is an estimate, as no image has been made on AWS yet: CUDA 8 GiB, driver 1, system
# 2, environment 1, files that a build writes and deletes 2.
ROOT_GIB: Final = 24
ROOT_USED_GIB: Final = 14
WEIGHTS_GIB: Final = 1
WEIGHTS_USED_GIB: Final = known_models()["tinyllama"].weights.bytes / 2**30
WEIGHTS_THROUGHPUT_MIBPS: Final = 300
INCLUDED_THROUGHPUT_MIBPS: Final = 125

# --- the steward's idle round ---------------------------------------------------------------
ROUNDS_PER_MONTH: Final = HOURS_PER_MONTH * 60
# About eight calls, one after another, of 5 to 50 ms each: not measured on Lambda.
STEWARD_SECONDS: Final = 0.4
STEWARD_READ_UNITS: Final = 6
STEWARD_QUEUE_REQUESTS: Final = 1
STEWARD_LOG_BYTES: Final = 1500
# Lambda's default rule traces the first request of each second, which covers every round.
STEWARD_TRACES: Final = 1

# --- what is kept ---------------------------------------------------------------------------
TABLE_GB: Final = 0.1
STATE_GB: Final = 0.01
# A nightly plan, with its lock, and an occasional deploy.
STATE_WRITES_PER_MONTH: Final = 200

# --- a prompt -------------------------------------------------------------------------------
PROMPT_TOKENS: Final = 200
ANSWER_TOKENS: Final = 300
# One answer alone, TinyLlama on an L4: not measured. The card's memory would allow 400.
TOKENS_PER_SECOND: Final = 100
ANSWER_SECONDS: Final = ANSWER_TOKENS / TOKENS_PER_SECOND
# A commit's tokens collect for a share of the answer's age, between these.
COMMIT_SECONDS: Final = 0.1
COMMIT_SHARE: Final = 0.05
MAX_COMMIT_SECONDS: Final = 0.25


def steps(seconds: float, shortest: float, share: float, longest: float) -> float:
    """How many pauses fill the time, if each is that share of the time so far, within limits."""
    grows, grown = shortest / share, longest / share
    count = min(seconds, grows) / shortest
    if seconds > grows:
        count += log(min(seconds, grown) / grows) / share
    return count + max(0.0, seconds - grown) / longest


# When the job is taken, at the first token, once per commit interval, at the end.
COMMITS: Final = 3 + round(steps(ANSWER_SECONDS, COMMIT_SECONDS, COMMIT_SHARE, MAX_COMMIT_SECONDS))
# Two items of up to 1 KB, each counted twice because the write is a transaction.
WRITE_UNITS_PER_COMMIT: Final = 4
# The intake's transaction and its mark, the extra writes of the last append, and an allowance for
# items that are larger than 1 KB or in the index; and a reader's place until the first step.
OTHER_WRITE_UNITS: Final = 34
# A reader's poll usually reads once; the worker reads the job and its conversation; the first poll
# is held and looks more often.
READ_UNITS: Final = COMMITS + 30
# A query and the answer around it: not measured on Lambda.
POLL_SECONDS: Final = 0.03
# How long the poll before the first step is held, where the worker is there.
HELD_FIRST_SECONDS: Final = 0.5
# One for the prompt, one for each commit that the reader sees.
HTTP_REQUESTS: Final = 1 + COMMITS
QUEUE_REQUESTS: Final = 4
LOG_BYTES_PER_REQUEST: Final = 1500
OUT_BYTES_PER_REQUEST: Final = 1200

# --- an hour of reading ---------------------------------------------------------------------
# A reader who waits for a boot: held at first, then one poll after another, none of them held.
HELD_QUEUED_SECONDS: Final = 2.0
QUEUED_RETRY_SHARE: Final = 0.02
MIN_QUEUED_RETRY_SECONDS: Final = 0.5
MAX_QUEUED_RETRY_SECONDS: Final = 5.0
# A poll that is held for the first seconds: its looks, and its place among the readers.
HELD_READS: Final = 36
HELD_WRITES: Final = 4
# A reader asks when the next step is due. Where the step is late, the poll waits for it in a place:
# so many of a hundred polls, for so long, with one look more and those of taking the place.
LATE_SHARE: Final = 0.1
LATE_SECONDS: Final = 0.1
LATE_READS: Final = 3
# The app asks why a job waits: the job's log, the fleet's state, perhaps the turn before.
SECONDS_BETWEEN_QUESTIONS: Final = 5
READS_PER_QUESTION: Final = 3
# What both cost before decision 25: the bar is half of it.
WAITING_HOUR_BEFORE_USD: Final = 0.0495
STREAM_HOUR_BEFORE_USD: Final = 0.28

# --- an hour with a GPU ---------------------------------------------------------------------
# The engine's metrics and those of the CloudWatch agent; an hour without them costs nothing. The
# card's are sent twice: for the instance, and added up for the environment.
ENGINE_METRICS: Final = 16
CARD_METRICS: Final = 5
AGENT_METRICS: Final = 2 + 2 * CARD_METRICS
RECEIVES_PER_HOUR: Final = 180
SIGNS_OF_LIFE_PER_HOUR: Final = 360
WORKER_LOG_BYTES_PER_HOUR: Final = 500_000

# --- how it is used -------------------------------------------------------------------------
BOOT_SECONDS: Final = 45
POLLS_PER_BOOT: Final = 1 + round(
    steps(BOOT_SECONDS, MIN_QUEUED_RETRY_SECONDS, QUEUED_RETRY_SHARE, MAX_QUEUED_RETRY_SECONDS)
    - HELD_QUEUED_SECONDS / MIN_QUEUED_RETRY_SECONDS
)
# A schedule of office hours: 8 to 18, Monday to Friday.
OFFICE_HOURS_A_DAY: Final = 10
OFFICE_HOURS_PER_MONTH: Final = OFFICE_HOURS_A_DAY * 5 * DAYS_PER_MONTH / 7
PROMPTS_PER_SITTING: Final = 10
SECONDS_BETWEEN_PROMPTS: Final = 60
ACTIVE_HOURS_PER_DAY: Final = 12

# --- others ---------------------------------------------------------------------------------
# Asynchronous Inference: the same timeout as ours, and a start that takes minutes, of which this
# much is assumed to be charged. Each prompt is put into S3 and its answer fetched from there.
ASYNC_START_SECONDS: Final = 180
ASYNC_STORE_REQUESTS: Final = 3
# RunPod bills a worker's start, the answer and an idle timeout.
RUNPOD_START_SECONDS: Final = 10
RUNPOD_IDLE_SECONDS: Final = 5
