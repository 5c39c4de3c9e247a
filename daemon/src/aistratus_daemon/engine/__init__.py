"""The engine: llama.cpp with several conversations in one batch.

Read `server` (frames in, frames out), `scheduler` (what goes into the next batch), `generation`
(one answer in progress), `prompt` and `template` (from messages to tokens), `answer_text` (from
tokens to text that is safe to show) and `llama` (the library underneath).
"""
