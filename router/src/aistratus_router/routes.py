"""The routes: who may call, what they read, what they do and what they answer."""

from typing import Final

from aistratus_contracts.registry import Scope
from aistratus_router import VERSION
from aistratus_router.desk import Desk
from aistratus_router.polling import EventsPage
from aistratus_router.requests import (
    ConversationsQuery,
    EventsQuery,
    FleetRequest,
    InferRequest,
    TurnsQuery,
)
from aistratus_router.responses import (
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
from aistratus_router.routing import Routes, Written

ROUTES: Final = Routes()

# --- the service --------------------------------------------------------------------------


@ROUTES.add("GET", "/health", Health, scope=None)
def get_health() -> Health:
    """Is the service up?"""
    return Health(status="ok", version=VERSION)


@ROUTES.add("GET", "/openapi.json", None, scope=None)
def get_openapi() -> Written:
    """This document."""
    from aistratus_router.openapi import document_text  # noqa: PLC0415 (start-up time)

    return Written(document_text())


@ROUTES.add("GET", "/models", Models)
def list_models(desk: Desk) -> Models:
    """Which models can be asked?"""
    cards = desk.addresses.catalogue.models
    return Models(models=[Model.model_validate(card, from_attributes=True) for card in cards])


# --- prompts and jobs ---------------------------------------------------------------------


@ROUTES.add("POST", "/infer", JobAccepted, status=202, refusals=(404, 409))
def infer(desk: Desk, body: InferRequest) -> Written:
    """Ask."""
    accepted = desk.intake().accept(body)
    if not accepted.state.is_final:
        desk.fleet().wake()
    answer = JobAccepted.model_validate(accepted, from_attributes=True)
    return Written(answer.model_dump_json(), {"Location": f"/jobs/{accepted.job_id}"})


@ROUTES.add("GET", "/jobs/{job_id}", JobView)
def get_job(desk: Desk, job_id: str) -> JobView:
    """How does a job stand?"""
    return desk.views().job(job_id)


@ROUTES.add("GET", "/jobs/{job_id}/events", Events)
def get_job_events(desk: Desk, job_id: str, query: EventsQuery) -> Written:
    """What is new in a job?"""
    page = desk.poller().events(desk.caller, job_id, query.after, query.wait, desk.left_seconds())
    headers = {} if page.retry_after is None else {"Retry-After": str(page.retry_after)}
    return Written(_events_text(page), headers)


@ROUTES.add("POST", "/jobs/{job_id}/cancel", JobAccepted, status=202)
def cancel_job(desk: Desk, job_id: str) -> JobAccepted:
    """Stop a job."""
    record = desk.canceller().cancel(desk.caller, job_id)
    return JobAccepted(
        job_id=record.job.job_id,
        conversation_id=record.job.conversation_id,
        state=record.cursor.state,
    )


# --- conversations ------------------------------------------------------------------------


@ROUTES.add("GET", "/conversations", Conversations)
def list_conversations(desk: Desk, query: ConversationsQuery) -> Conversations:
    """Which conversations are there?"""
    return desk.views().conversation_list(query.limit, query.cursor)


@ROUTES.add("GET", "/conversations/{conversation_id}", ConversationView)
def get_conversation(desk: Desk, conversation_id: str, query: TurnsQuery) -> ConversationView:
    """What was said?"""
    return desk.views().conversation(conversation_id, query.before)


@ROUTES.add("DELETE", "/conversations/{conversation_id}", None, status=204)
def delete_conversation(desk: Desk, conversation_id: str) -> None:
    """Forget a conversation."""
    desk.remover().delete(conversation_id)


# --- the fleet ----------------------------------------------------------------------------


@ROUTES.add("GET", "/fleet", FleetOut)
def get_fleet(desk: Desk) -> FleetOut:
    """How does the GPU stand?"""
    return desk.fleet().show()


@ROUTES.add("PUT", "/fleet", FleetOut, scope=Scope.OPERATE, refusals=(409,))
def set_fleet(desk: Desk, body: FleetRequest) -> FleetOut:
    """After how long without work does the GPU go off?"""
    desk.set_idle_timeout(body.idle_timeout_seconds)
    return desk.fleet().show()


@ROUTES.add("POST", "/start", FleetOut, status=202, scope=Scope.OPERATE, refusals=(409,))
def start_fleet(desk: Desk) -> FleetOut:
    """Wake the GPU before the first prompt."""
    return desk.fleet().start()


@ROUTES.add("POST", "/stop", FleetOut, status=202, scope=Scope.OPERATE, refusals=(409,))
def stop_fleet(desk: Desk) -> FleetOut:
    """Turn the GPU off now."""
    return desk.fleet().stop()


def _events_text(page: EventsPage) -> str:
    """A page as JSON. An event is stored in the form that it travels in: it is not read again."""
    return (
        f'{{"job_id":"{page.job_id}","state":"{page.state.value}",'
        f'"events":[{",".join(page.events)}],'
        f'"next_after":{page.next_after},"done":{"true" if page.done else "false"}}}'
    )
