"""A model file whose chat template runs on, grows or fails is refused when the engine starts."""

import hashlib
from pathlib import Path

import pytest

from support.engine_process import MODEL, engine_environment, refusal

_BEGINNING = b"{% for message in messages %}\n{% if message['role'] == 'user' %}"
_END = b"{% endif %}\n{% endfor %}"
_LOOP = "{% for i in range(99999) %}"


@pytest.mark.parametrize(
    "source",
    [
        _LOOP * 3 + "{% endfor %}" * 3,
        "{% for i in range(99999999) %}x{% endfor %}",
        "{{ 'a' * 10**9 }}",
        "{% set a = messages[0].content * 10**9 %}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        _LOOP + "{{ 'a' * 10000 }}{% endfor %}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ raise_exception('no') }}",
        "{% for %}",
    ],
)
def test_it_is_refused_in_one_sentence_and_nothing_hangs(source: str, tmp_path: Path) -> None:
    content = MODEL.read_bytes()
    start = content.index(_BEGINNING)
    length = content.index(_END, start) + len(_END) - start
    content = content[:start] + source.encode().ljust(length) + content[start + length :]
    model = tmp_path / "hostile.gguf"
    model.write_bytes(content)
    environment = engine_environment(
        tmp_path,
        AISTRATUS_MODEL_FILE=str(model),
        AISTRATUS_MODEL_SHA256=hashlib.sha256(content).hexdigest(),
    )
    code, message = refusal(environment)
    assert code == 3
    assert message.startswith(f"The chat template in {model} cannot be used")
    assert "use another file" in message
