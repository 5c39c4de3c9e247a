"""Limits that every part keeps. A number stands here once, with its unit and its reason.

The bounds of the numbers that steer sampling stand with them, in `job.Sampling`.

Bytes are either raw, a text in UTF-8 by itself, or encoded: as they lie in the JSON that is stored
or sent, where a character takes up to six bytes (`codec.text_bytes`). Each limit of bytes says
which. What lies in one DynamoDB item (400 KB) or in one frame must be limited encoded.
"""

# Encoded: the body as it comes over the wire. A larger one is refused with 413. No character takes
# more bytes in the PROMPT item than it took in the body, so the item is at most a few hundred bytes
# larger than this.
MAX_BODY_BYTES = 256 * 1024
MAX_MESSAGES = 256
MAX_STOP_STRINGS = 4
MAX_STOP_CHARS = 64
# OpenAI's range: -100 practically forbids a token, 100 practically forces it.
MAX_LOGIT_BIAS = 100.0
MAX_LOGIT_BIASES = 300
# Raw: a grammar's text, or a schema's JSON text, in UTF-8. In the job's DynamoDB item it takes at
# most six times as much.
MAX_GRAMMAR_BYTES = 16 * 1024
# One counted repetition in a grammar or in a schema's pattern, and what nested ones multiply to:
# who compiles them writes them out.
MAX_REPETITIONS = 256
MAX_EXPANSION = 4096
# A schema's minLength, maxItems and their like.
MAX_SCHEMA_COUNT = 4096
MAX_REQUEST_ID_CHARS = 64
MAX_TITLE_CHARS = 80

# Encoded: an answer is kept whole in one DynamoDB item (400 KB). What would go past this is left
# off, the engine is stopped and the job ends with finish_reason "length".
MAX_ANSWER_BYTES = 320 * 1024
# Encoded: the text and the token ids of one delta, an event in one DynamoDB item. More than this
# that waits to be committed goes as several events.
MAX_DELTA_BYTES = 256 * 1024
# The sentence of a job's error. It is ours, but may quote what a library says of a request.
MAX_ERROR_CHARS = 2000

# HTTP API answers within 30 s or not at all; a held poll leaves room for its own work.
MAX_EVENT_WAIT_SECONDS = 20
MAX_EVENTS_PER_PAGE = 1000
MAX_CONVERSATIONS_PER_PAGE = 50

# A job, its events and the idempotency key that led to it go together.
JOB_RETENTION_DAYS = 30

# SQS: what is not extended in this time is given to another worker. The queue is made with it,
# and workers take it from the queue.
VISIBILITY_TIMEOUT_SECONDS = 30

# How long a GPU may have nothing to do before it is turned off. Less than a minute the steward,
# who looks once a minute, could not keep.
MIN_IDLE_TIMEOUT_SECONDS = 60
MAX_IDLE_TIMEOUT_SECONDS = 86_400
DEFAULT_IDLE_TIMEOUT_SECONDS = 600

# What one user may have at a time, so that one cannot stop the others. A deployment may set others.
# Lanes are the message groups of a user's jobs: that many are in workers' hands at once at most.
# Fewer than an engine has slots, so that another user's job finds one free.
LANES_PER_USER = 12
OPEN_JOBS_PER_USER = 64
PROMPTS_PER_MINUTE = 60
PROMPT_BURST = 60
# Polls that are held. Each occupies one of the function's environments, and prompts need some.
READERS_PER_USER = 16
READERS = 256

# A worker says this often that it lives. What it said last is kept for a day if it went away
# without a word, so that one can see what became of it.
SIGN_OF_LIFE_SECONDS = 10
SIGN_OF_LIFE_RETENTION_DAYS = 1
