"""Limits that every part obeys. Each number is here once, with its unit and its reason.

The bounds of the sampling numbers are with those numbers, in `job.Sampling`.

Bytes are either raw, the UTF-8 of the text alone, or encoded, as in the JSON that is stored or
sent, where a character takes up to six bytes (`codec.text_bytes`). Each byte limit says which.
What goes into one DynamoDB item (400 KB) or into one frame needs an encoded limit.
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
# One counted repetition in a grammar or in a schema's pattern, and the product of nested ones:
# compilers expand them.
MAX_REPETITIONS = 256
MAX_EXPANSION = 4096
# A schema's minLength, maxItems and the like.
MAX_SCHEMA_COUNT = 4096
MAX_REQUEST_ID_CHARS = 64
MAX_TITLE_CHARS = 80

# Encoded: an answer is kept whole in one DynamoDB item (400 KB). Text past this is dropped,
# the engine is stopped and the job ends with finish_reason "length".
MAX_ANSWER_BYTES = 320 * 1024
# Encoded: the text and the token ids of one delta, an event in one DynamoDB item. If more
# waits to be committed, it is split into several events.
MAX_DELTA_BYTES = 256 * 1024
# The sentence of a job's error. It is ours, but may quote a library on the request.
MAX_ERROR_CHARS = 2000

# The HTTP API gives up after 30 s; a held poll leaves room for its own work.
MAX_EVENT_WAIT_SECONDS = 20
MAX_EVENTS_PER_PAGE = 1000
MAX_CONVERSATIONS_PER_PAGE = 50

# A job, its events and the idempotency key that created it expire together.
JOB_RETENTION_DAYS = 30

# SQS gives a message to another worker if this time passes without an extension. The queue is
# created with it, and workers read it from the queue.
VISIBILITY_TIMEOUT_SECONDS = 30

# How long a GPU may be idle before it is turned off. The steward looks once a minute, so it cannot
# keep a shorter timeout than that.
MIN_IDLE_TIMEOUT_SECONDS = 60
MAX_IDLE_TIMEOUT_SECONDS = 86_400
DEFAULT_IDLE_TIMEOUT_SECONDS = 600

# What one user may have at a time, so that one cannot stop the others. A deployment may differ.
# Lanes are the message groups of a user's jobs: workers hold at most that many jobs of a user at
# once. There are fewer lanes than an engine has slots, so another user's job finds a slot free.
LANES_PER_USER = 12
OPEN_JOBS_PER_USER = 64
PROMPTS_PER_MINUTE = 60
PROMPT_BURST = 60
# Held polls. Each occupies one of the function's environments, and prompts need some.
READERS_PER_USER = 16
READERS = 256

# How often a worker gives a sign of life. If a worker vanishes, its last one is kept for a day, so
# that a person can see what became of it.
SIGN_OF_LIFE_SECONDS = 10
SIGN_OF_LIFE_RETENTION_DAYS = 1

# Functions that answer while no instance is ready. Each holds a place in the table, renews it with
# each sign of life, and has lost it if it fails to do so for this long. A function that waits for
# Lambda to start it must be there in this time.
FUNCTION_LEASE_SECONDS = 60
DEFAULT_MAX_FUNCTIONS = 4
MAX_FUNCTIONS = 100
# How long the counts of what functions ran are kept.
FUNCTION_USE_RETENTION_DAYS = 1

# What an engine says when it refuses to start, in a worker's sign of life: one sentence.
MAX_REFUSAL_CHARS = 300
