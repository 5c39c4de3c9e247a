"""A chat template is a stranger's program: it renders messages and reaches nothing else."""

import pytest

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.job import Message
from aistratus_contracts.states import Role
from aistratus_daemon.engine.template import ChatTemplate
from aistratus_daemon.errors import ModelError, RequestRefused

HELLO = [Message(Role.USER, "Hello")]


def template(source: str) -> ChatTemplate:
    return ChatTemplate(source, bos="<s>", eos="</s>")


def test_it_renders_messages_with_the_model_s_own_marks() -> None:
    source = (
        "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m.content }}{{ eos_token }}"
        "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    assert template(source).render(HELLO) == "<s><|user|>Hello</s><|assistant|>"


def test_one_that_does_not_parse_is_refused_when_the_model_is_loaded() -> None:
    with pytest.raises(ModelError, match="does not parse"):
        template("{% for %}")


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.__class__.__base__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.system('id') }}",
        "{{ messages.append(1) }}",
        "{% for i in range(99999999) %}x{% endfor %}",
        "{% for i in range(99999) %}" * 3 + "{% endfor %}" * 3,
        "{{ messages[0].content * 10**9 }}",
        "{{ 'a' * 1000000000 }}",
        "{{ '%1000000000d' % 1 }}",
        "{% for i in range(99999) %}{{ messages[0].content.ljust(10000) }}{% endfor %}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ raise_exception('roles must alternate') }}",
        "{{ nothing.at.all }}",
        "{{ 1 / 0 }}",
        "{{ messages[5]['role'] + 1 }}",
        "{% include 'other' %}",
    ],
)
def test_one_that_fails_or_reaches_out_fails_the_job_alone(source: str) -> None:
    with pytest.raises(RequestRefused, match="chat template refused") as refused:
        template(source).render(HELLO)
    assert refused.value.code is JobErrorCode.TEMPLATE_FAILED


def test_a_message_is_text_and_never_template() -> None:
    said = [Message(Role.USER, "{{ 7 * 7 }}")]
    assert template("{{ messages[0].content }}").render(said) == "{{ 7 * 7 }}"
