"""The routes: who may call, what they read, what they do and what they answer."""

from functools import cache
from math import ceil
from typing import Final

from aistratus_contracts.registry import Scope
from aistratus_router import VERSION
from aistratus_router.api.context import RequestContext
from aistratus_router.api.routing import Routes, Written
from aistratus_router.jobs.polling import EventsPage
from aistratus_router.wire.requests import (
    ConversationsQuery,
    EventsQuery,
    FleetRequest,
    InferRequest,
    TurnsQuery,
)
from aistratus_router.wire.responses import (
    Conversations,
    ConversationView,
    Events,
    FleetOut,
    Health,
    JobAccepted,
    JobView,
    Model,
    Models,
)

ROUTES: Final = Routes()

# --- the service --------------------------------------------------------------------------


@ROUTES.add("GET", "/health", Health, scope=None)
def get_health() -> Health:
    """Is the service up?"""
    return Health(status="ok", version=VERSION)


@ROUTES.add("GET", "/openapi.json", None, scope=None)
def get_openapi() -> Written:
    """This document."""
    return Written(_document_text())


@ROUTES.add("GET", "/models", Models)
def list_models(context: RequestContext) -> Models:
    """Which models can be asked?"""
    cards = context.addresses.catalogue.models
    return Models(models=[Model.model_validate(card, from_attributes=True) for card in cards])


# --- prompts and jobs ---------------------------------------------------------------------


@ROUTES.add("POST", "/infer", JobAccepted, status=202, refusals=(404, 409))
def infer(context: RequestContext, body: InferRequest) -> Written:
    """Ask."""
    accepted = context.intake().accept(body)
    if not accepted.state.is_final:
        context.fleet().wake()
    answer = JobAccepted.model_validate(accepted, from_attributes=True)
    return Written(answer.model_dump_json(), {"Location": f"/jobs/{accepted.job_id}"})


@ROUTES.add("GET", "/jobs/{job_id}", JobView)
def get_job(context: RequestContext, job_id: str) -> JobView:
    """How does a job stand?"""
    return context.views().job(job_id)


@ROUTES.add("GET", "/jobs/{job_id}/events", Events)
def get_job_events(context: RequestContext, job_id: str, query: EventsQuery) -> Written:
    """What is new in a job?"""
    page = context.poller().events(job_id, query.after, query.wait, context.left_seconds())
    # The header counts whole seconds (RFC 9110), too many between two steps of an answer, and a
    # browser hides it from other sites' pages.
    is_told = page.retry_after is not None and not page.events
    headers = {"Retry-After": str(ceil(page.retry_after or 0))} if is_told else {}
    return Written(_events_text(page), headers)


@ROUTES.add("POST", "/jobs/{job_id}/cancel", JobAccepted, status=202)
def cancel_job(context: RequestContext, job_id: str) -> JobAccepted:
    """Stop a job."""
    record = context.canceller().cancel(job_id)
    return JobAccepted(
        job_id=record.job.job_id,
        conversation_id=record.job.conversation_id,
        state=record.cursor.state,
    )


# --- conversations ------------------------------------------------------------------------


@ROUTES.add("GET", "/conversations", Conversations)
def list_conversations(context: RequestContext, query: ConversationsQuery) -> Conversations:
    """Which conversations are there?"""
    return context.views().conversation_list(query.limit, query.cursor)


@ROUTES.add("GET", "/conversations/{conversation_id}", ConversationView)
def get_conversation(
    context: RequestContext, conversation_id: str, query: TurnsQuery
) -> ConversationView:
    """What was said?"""
    return context.views().conversation(conversation_id, query.before)


@ROUTES.add("DELETE", "/conversations/{conversation_id}", None, status=204)
def delete_conversation(context: RequestContext, conversation_id: str) -> None:
    """Forget a conversation."""
    context.remover().delete(conversation_id)


# --- the fleet ----------------------------------------------------------------------------


@ROUTES.add("GET", "/fleet", FleetOut)
def get_fleet(context: RequestContext) -> FleetOut:
    """How does the GPU stand?"""
    return context.fleet().show()


@ROUTES.add("PUT", "/fleet", FleetOut, scope=Scope.OPERATE, refusals=(409,))
def set_fleet(context: RequestContext, body: FleetRequest) -> FleetOut:
    """After how long without work does the GPU go off?"""
    context.set_idle_timeout(body.idle_timeout_seconds)
    return context.fleet().show()


@ROUTES.add("POST", "/start", FleetOut, status=202, scope=Scope.OPERATE, refusals=(409,))
def start_fleet(context: RequestContext) -> FleetOut:
    """Wake the GPU before the first prompt."""
    return context.fleet().start()


@ROUTES.add("POST", "/stop", FleetOut, status=202, scope=Scope.OPERATE, refusals=(409,))
def stop_fleet(context: RequestContext) -> FleetOut:
    """Turn the GPU off now."""
    return context.fleet().stop()


@cache
def _document_text() -> str:
    from aistratus_router.api.openapi import document_text  # noqa: PLC0415 (start-up time)

    return document_text(ROUTES)


def _events_text(page: EventsPage) -> str:
    """A page as JSON. An event is stored in the form that it travels in: it is not read again."""
    retry = "" if page.retry_after is None else f',"retry_after":{page.retry_after}'
    return (
        f'{{"job_id":"{page.job_id}","state":"{page.state.value}",'
        f'"events":[{",".join(page.events)}],'
        f'"next_after":{page.next_after},"done":{"true" if page.done else "false"}{retry}}}'
    )
