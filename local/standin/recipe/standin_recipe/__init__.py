"""The recipe that trains Aistratus's stand-in model from scratch.

Modules, in the order in which they are used: ``corpus`` reads the questions and answers,
``foreign`` the questions that must be refused, ``augment`` varies a question, ``dialogues`` packs
them into conversations, ``tokenizer`` turns text into ids, ``model`` and ``training`` are the
PyTorch part, ``export`` writes the GGUF, ``parity`` proves that llama.cpp computes the same from
it, and ``evaluate`` asks the finished file every question.

``corpus``, ``foreign``, ``augment`` and ``dialogues`` need the standard library only,
``evaluate`` only llama-cpp-python besides: the tests use them without PyTorch.
"""
