"""docs/cost.md: the figures and their basis."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from cost_sheet import assumptions as given
from cost_sheet.lines import Line, total, total_beyond_free
from cost_sheet.offers import MOST_PROMPTS_PER_DAY, Offer, cheaper_from, offers
from cost_sheet.prices import Price
from cost_sheet.sheet import IDLE_BAR_USD, INSTANCE_TYPES, ON_DEMAND, READING_BAR, SPOT, Sheet

MADE: Final = "<!-- Made by `make cost` from tools/cost_sheet and terraform; do not edit. -->"
_BY_DAY: Final = (10, 30, 100, 300, 1000, 3000, 10_000)
_CONFIRMED: Final = {
    "list": "AWS's price list, as others published it",
    "seen": "the provider's page, as others published it",
    "derived": "computed",
    "no": "**not confirmed**",
}


def page(sheet: Sheet) -> str:
    """The whole page."""
    parts = (_head, _idle, _prompts, _reading, _hours, _schedule, _others, _given, _prices)
    return "\n".join(line for part in parts for line in part(sheet)) + "\n"


def _head(sheet: Sheet) -> Iterator[str]:
    idle, full = sheet.idle_usd, sheet.idle_usd_full_root
    verdict = "holds" if idle <= IDLE_BAR_USD else "**is missed**"
    yield "# What it costs"
    yield ""
    yield MADE
    yield ""
    yield (
        f"Computed, not billed: no account has run this yet. List prices of {sheet.prices.region} "
        f"in USD without tax, looked up on {sheet.prices.checked:%d %B %Y}; what could not be "
        "confirmed is marked [below](#prices). `make cost` computes it again from "
        "[the price file](../tools/cost_sheet/prices.toml), "
        "[the assumptions](../tools/cost_sheet/assumptions.py) and Terraform's files."
    )
    yield ""
    yield "| | USD |"
    yield "|---|---|"
    yield f"| a month without a prompt | **{idle:.2f}** (bar: {IDLE_BAR_USD:.2f}; {verdict}) |"
    yield f"| … if the image filled its whole root volume | {full:.2f} |"
    second = sheet.second_environment_usd
    yield f"| … a second environment in the same account adds | {second:.2f} |"
    lone = sheet.lone_prompt_usd
    yield (
        f"| one prompt alone: the GPU wakes, answers and waits "
        f"{sheet.configured.idle_timeout_seconds // 60} minutes more | "
        f"{lone('g6.xlarge', SPOT):.3f} Spot, {lone('g6.xlarge', ON_DEMAND):.3f} on-demand |"
    )
    yield f"| 1,000 prompts, without the GPU | {sheet.thousand_prompts_usd:.2f} |"
    hour = sheet.gpu_hour_usd
    yield (
        f"| an hour of g6.xlarge, all counted | "
        f"{hour('g6.xlarge', SPOT):.2f} Spot, {hour('g6.xlarge', ON_DEMAND):.2f} on-demand |"
    )
    yield ""


def _idle(sheet: Sheet) -> Iterator[str]:
    lines = sheet.idle_month
    made = sheet.configured
    yield "## A month without a prompt"
    yield ""
    yield (
        "GPU off, steward at work each minute. The second sum is for an account whose free units "
        "other things have used up."
    )
    yield ""
    yield "| | units | free | USD | without free units |"
    yield "|---|---|---|---|---|"
    for line in lines:
        free = f"{line.price.free:,.0f}" if line.price.free else ""
        yield (
            f"| {line.what} | {_number(line.quantity)} {_unit(line.price)} | {free} | "
            f"{line.usd:.3f} | {line.beyond_free:.3f} |"
        )
    yield f"| **sum** | | | **{total(lines):.2f}** | **{total_beyond_free(lines):.2f}** |"
    yield ""
    yield (
        f"From Terraform's files: alarms {made.alarms}, on {made.alarm_metrics} metrics; "
        f"dashboards {made.dashboards}; metrics made of logs {made.metric_filters}; keys of one's "
        f"own {made.customer_keys}; functions of {made.memory_mb} MB. Nothing is "
        "paid for the network: no NAT, no interface endpoint, no address while no instance is on. "
        f"The private variant has {made.private_endpoints} interface endpoints, each counted "
        f"once a zone: {sheet.private_month_usd:.0f} USD more a month."
    )
    yield ""
    yield (
        f"The image's root volume has {given.ROOT_GIB} GiB; a snapshot is charged for the blocks "
        f"that were written. {given.ROOT_USED_GIB} GiB of them are an estimate. Each older image "
        "that is kept costs the same again, less what it shares with the next."
    )
    yield ""


def _prompts(sheet: Sheet) -> Iterator[str]:
    lines = sheet.thousand_prompts
    yield "## 1,000 prompts, without the GPU"
    yield ""
    yield (
        f"A prompt of {given.PROMPT_TOKENS} tokens and an answer of {given.ANSWER_TOKENS}, at "
        f"{given.TOKENS_PER_SECOND} tokens a second (not measured on a card): "
        f"{given.ANSWER_SECONDS:.0f} s, {given.COMMITS} commits of "
        f"{given.WRITE_UNITS_PER_COMMIT} write units, and a reader who sees each step. Free units "
        "are not taken off. With many answers at once a worker commits 20 times a second for all "
        "of them together, and writes, reads and requests get fewer."
    )
    yield ""
    yield from _table(lines)
    yield f"| **sum** | | **{total_beyond_free(lines):.3f}** |"
    yield ""


def _reading(sheet: Sheet) -> Iterator[str]:
    yield "## An hour of reading, without the GPU"
    yield ""
    yield (
        f"One reader who waits for boots of {given.BOOT_SECONDS} s, one after another "
        f"({given.POLLS_PER_BOOT} polls each; [decision 25](adr/0025-waiting-is-cheap.md)), and "
        "one who reads a single long answer as it is written. Free units are not taken off."
    )
    yield ""
    yield "| | waiting | an answer |"
    yield "|---|---|---|"
    hours = (sheet.waiting_hour, sheet.stream_hour)
    for what in [line.what for line in sheet.stream_hour]:
        usd = [total_beyond_free(line for line in hour if line.what == what) for hour in hours]
        yield f"| {what} | {usd[0]:.4f} | {usd[1]:.4f} |"
    sums = [total_beyond_free(hour) for hour in hours]
    yield f"| **sum** | **{sums[0]:.4f}** | **{sums[1]:.4f}** |"
    before = (given.WAITING_HOUR_BEFORE_USD, given.STREAM_HOUR_BEFORE_USD)
    shares = [now / then for now, then in zip(sums, before, strict=True)]
    verdict = "holds" if max(shares) <= READING_BAR else "**is missed**"
    yield ""
    yield (
        f"Before decision 25 these were {before[0]:.4f} and {before[1]:.4f}; now it is "
        f"{shares[0]:.2f} and {shares[1]:.2f} of that (bar: {READING_BAR:.2f}; {verdict})."
    )
    yield ""


def _hours(sheet: Sheet) -> Iterator[str]:
    yield "## An hour with a GPU"
    yield ""
    yield (
        "| | "
        + " | ".join(
            f"{kind}, {purchase}" for kind in INSTANCE_TYPES for purchase in (SPOT, ON_DEMAND)
        )
        + " |"
    )
    yield "|---" * (1 + 2 * len(INSTANCE_TYPES)) + "|"
    columns = [
        sheet.gpu_hour(kind, purchase) for kind in INSTANCE_TYPES for purchase in (SPOT, ON_DEMAND)
    ]
    for row in zip(*columns, strict=True):
        yield f"| {row[0].what} | " + " | ".join(f"{line.beyond_free:.4f}" for line in row) + " |"
    sums = " | ".join(f"**{total_beyond_free(column):.3f}**" for column in columns)
    yield f"| **sum** | {sums} |"
    yield ""
    yield (
        f"A wake adds {sheet.wake_usd:.4f} USD for the weights' volume, which is filled at a set "
        "rate ([the boot budget](boot.md)), and about "
        f"{given.BOOT_SECONDS} s of the instance. Instances are charged by the second, a minute at "
        "least. Spot is an assumption: what it is today, AWS's Spot Instance Advisor says."
    )
    yield ""


def _schedule(sheet: Sheet) -> Iterator[str]:
    yield "## A GPU on in office hours"
    yield ""
    yield (
        "A [schedule](cloud.md#a-schedule) keeps one instance on whether or not somebody asks. "
        f"From 8 to 18, Monday to Friday, is {given.OFFICE_HOURS_PER_MONTH:.0f} hours a month, "
        "and as much as this, however little is asked; prompts outside of the hours come on top:"
    )
    yield ""
    yield "| USD a month | Spot | on-demand |"
    yield "|---|---|---|"
    for kind in INSTANCE_TYPES:
        spot, on_demand = (sheet.office_hours_usd(kind, each) for each in (SPOT, ON_DEMAND))
        yield f"| {kind} | {spot:.2f} | {on_demand:.2f} |"
    yield ""


def _others(sheet: Sheet) -> Iterator[str]:
    every = offers(sheet)
    yield "## Beside others"
    yield ""
    yield "![A month's bill over prompts a day](images/cost.png)"
    yield ""
    yield (
        f"USD a month. People ask in sittings of {given.PROMPTS_PER_SITTING} prompts, "
        f"{given.SECONDS_BETWEEN_PROMPTS} s apart, which begin at any time of "
        f"{given.ACTIVE_HOURS_PER_DAY} hours a day; sittings that meet share an instance. "
        "[`offers`](../tools/cost_sheet/offers.py) has the formula."
    )
    yield ""
    yield "| prompts a day | " + " | ".join(f"{prompts:,}" for prompts in _BY_DAY) + " |"
    yield "|---" * (1 + len(_BY_DAY)) + "|"
    for offer in every:
        name = f"**{offer.name}**" if offer.is_ours else offer.name
        yield f"| {name} | " + " | ".join(f"{offer.month(n):,.2f}" for n in _BY_DAY) + " |"
    yield ""
    yield from _break_even(every)
    yield ""
    yield (
        "What the figures do not say: Asynchronous Inference does not stream and starts in "
        "minutes; the same idle timeout is taken for it as for ours. RunPod's machines are not in "
        f"one's own account; its default timeout of {given.RUNPOD_IDLE_SECONDS} s is shorter than "
        f"a reader's pause, so each prompt starts a worker ({given.RUNPOD_START_SECONDS} s are "
        "taken for it), and neither conversations nor users are part of it. Always on answers the "
        "first prompt at once, ours after three quarters of a minute."
    )
    yield ""


def _break_even(every: Sequence[Offer]) -> Iterator[str]:
    ours = [offer for offer in every if offer.is_ours]
    yield "| | is cheaper than | from prompts a day |"
    yield "|---|---|---|"
    for mine in ours:
        for other in every:
            if other.is_ours:
                continue
            since = cheaper_from(mine, other)
            until = cheaper_from(other, mine)
            if since is not None:
                said = "always" if since == 1 else f"{since:,}"
            elif until is not None and until > 1:
                said = f"up to {until - 1:,}"
            else:
                said = f"not up to {MOST_PROMPTS_PER_DAY:,}"
            yield f"| {mine.name} | {other.name} | {said} |"


def _given(sheet: Sheet) -> Iterator[str]:
    yield "## What is taken for granted"
    yield ""
    yield "| | |"
    yield "|---|---|"
    rows = (
        ("a month", f"{given.HOURS_PER_MONTH} hours"),
        ("a round of the steward", f"{given.STEWARD_SECONDS} s"),
        ("… of it", f"{given.STEWARD_READ_UNITS} reads, a poll of the dead-letter queue"),
        ("the table", f"{given.TABLE_GB} GB"),
        (
            "logs",
            f"{given.STEWARD_LOG_BYTES} bytes a round, {given.LOG_BYTES_PER_REQUEST} a request",
        ),
        ("from wake to first token", f"{given.BOOT_SECONDS} s"),
        ("idle timeout", f"{sheet.configured.idle_timeout_seconds} s"),
        ("Asynchronous Inference", f"{given.ASYNC_START_SECONDS} s of a start are charged"),
    )
    for what, value in rows:
        yield f"| {what} | {value} |"
    yield ""


def _prices(sheet: Sheet) -> Iterator[str]:
    yield "## Prices"
    yield ""
    yield "| price | USD | per | free a month | page | confirmed by |"
    yield "|---|---|---|---|---|---|"
    for price in sheet.prices.by_name.values():
        free = f"{price.free:,.0f}" if price.free else ""
        how = _CONFIRMED[price.confirmed] + (f": {price.note}" if price.note else "")
        yield (
            f"| {price.name} | {_plain(price.usd)} | {price.per} | {free} | "
            f"[page]({price.address}) | {how} |"
        )


def _table(lines: Iterable[Line]) -> Iterator[str]:
    yield "| | units | USD |"
    yield "|---|---|---|"
    for line in lines:
        unit = f"{_number(line.quantity)} {_unit(line.price)}"
        yield f"| {line.what} | {unit} | {line.beyond_free:.4f} |"


def _unit(price: Price) -> str:
    return f"× {price.per}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:,.2f}"


def _plain(value: float) -> str:
    return f"{value:.10f}".rstrip("0").rstrip(".")
