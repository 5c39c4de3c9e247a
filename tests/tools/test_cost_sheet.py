"""docs/cost.md is computed: from the price file, from Terraform, from the code's own numbers."""

import math
import re
from pathlib import Path

import pytest
from PIL import Image

from aistratus_contracts import table
from aistratus_contracts.event import StateChange
from aistratus_contracts.limits import MAX_EVENT_WAIT_SECONDS
from aistratus_contracts.states import JobState
from aistratus_daemon.worker import job_run
from aistratus_router.jobs import polling
from cost_sheet import assumptions as given
from cost_sheet.__main__ import PAGE, PICTURE, the_sheet
from cost_sheet.configured import read_configured
from cost_sheet.errors import CostError
from cost_sheet.lines import Line, total, total_beyond_free
from cost_sheet.offers import Offer, cheaper_from, offers, on_and_starts
from cost_sheet.page import page
from cost_sheet.picture import DIGEST, digest, draw
from cost_sheet.prices import FILE, Price, read_prices
from cost_sheet.sheet import IDLE_BAR_USD, INSTANCE_TYPES, ON_DEMAND, READING_BAR, SPOT, Sheet
from housekeeping import ROOT
from support.auto_scaling import GROUP
from support.router_api import memory_api

PROMPTS = (1, 10, 100, 1000, 10_000)


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    return the_sheet()


# --- the page -----------------------------------------------------------------------------


def test_the_page_is_what_the_figures_say(sheet: Sheet) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(sheet), "run make cost"


def test_the_readme_says_what_the_page_says(sheet: Sheet) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    spot = sheet.gpu_hour_usd("g6.xlarge", SPOT)
    said = f"{sheet.idle_usd:.2f} USD for a month in which nobody asks, {spot:.2f} for an hour of"
    assert said in readme


def test_the_picture_is_drawn_from_these_figures(sheet: Sheet, tmp_path: Path) -> None:
    assert _digest_in(PICTURE) == digest(offers(sheet)), "run make cost"
    draw(offers(sheet), sheet.prices, tmp_path / "again.png")
    assert _digest_in(tmp_path / "again.png") == digest(offers(sheet))


def test_a_month_without_a_prompt_keeps_its_bar(sheet: Sheet) -> None:
    assert sheet.idle_usd <= IDLE_BAR_USD
    assert sheet.idle_usd_full_root <= IDLE_BAR_USD


def test_a_second_environment_finds_the_free_alarms_taken(sheet: Sheet) -> None:
    alarms = next(line for line in sheet.idle_month if line.what == "alarms")
    taken = min(alarms.quantity, alarms.price.free)
    assert sheet.second_environment_usd >= taken * alarms.price.usd


def test_sums_on_the_page_add_up(sheet: Sheet) -> None:
    text = page(sheet)
    hours = 2 * len(INSTANCE_TYPES)
    checked = 0
    for section in text.split("\n## ")[1:5]:
        rows = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in section.splitlines()
            if line.startswith("| ")
        ]
        columns = range(-hours, 0) if section.startswith("An hour with") else [-1]
        if section.startswith(("A month", "An hour of reading")):
            columns = [-2, -1]
        for column in columns:
            cells = [row[column] for row in rows]
            amounts = [float(cell) for cell in cells if re.fullmatch(r"[\d.]+", cell)]
            (stated,) = [cell.strip("*") for cell in cells if re.fullmatch(r"\*\*[\d.]+\*\*", cell)]
            # Each amount is rounded to the page's digits, and so is the sum.
            assert math.isclose(sum(amounts), float(stated), abs_tol=0.0005 * len(amounts) + 0.005)
            checked += 1
    assert checked == 2 + 1 + 2 + hours


# --- the prices ---------------------------------------------------------------------------


def test_every_price_is_used_and_known(sheet: Sheet) -> None:
    lines = [*sheet.idle_month, *sheet.thousand_prompts]
    for kind in INSTANCE_TYPES:
        lines += sheet.gpu_hour(kind, SPOT)
    used = {line.price.name for line in lines}
    others = {"spot_share", "volume_initialization", "runpod_flex_24gb"}
    others |= {"interface_endpoint", "ml_g5_xlarge", "ml_g6_xlarge"}
    assert used | others == set(sheet.prices.by_name)
    for price in sheet.prices.by_name.values():
        assert price.address.startswith("https://")


def test_a_price_that_is_not_as_it_should_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CostError, match="has no price 'gold'"):
        read_prices()["gold"]
    good = FILE.read_text(encoding="utf-8")
    for old, new, says in (
        ('confirmed = "list"', 'confirmed = "hearsay"', "is confirmed by one of"),
        ("usd = 0.4", "usd = -1.0", "is negative"),
        ("usd = 0.4", "usd = 0.4\neur = 1.0", "a field that nobody knows: eur"),
    ):
        (tmp_path / "prices.toml").write_text(good.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(CostError, match=says):
            read_prices(tmp_path / "prices.toml")


def test_free_units_are_taken_off_once() -> None:
    price = Price("p", 0.1, "thing", "https://example.org", "list", free=10)
    assert total([Line("few", 10, price)]) == 0
    assert math.isclose(total([Line("more", 12, price)]), 0.2)
    assert math.isclose(Line("more", 12, price).beyond_free, 1.2)


# --- what Terraform makes -----------------------------------------------------------------

ROUTER = 'variable "memory_mb" {\n  type = number\n  default = 1024\n}\n'
ROOT_VARIABLES = """
variable "idle_timeout_seconds" {
  default = 600
}
variable "customer_managed_key" {
  default = false
}
resource "aws_kms_key" "this" {
  count = var.customer_managed_key ? 1 : 0
}
"""
NETWORK = """
variable "max_zones" {
  default = 3
}
locals {
  interface_services = var.private ? toset(concat(
    ["logs", "sqs"],
    var.customer_managed_key ? ["kms"] : [],
  )) : toset([])
}
"""
ALARMS = """
locals {
  alarms = {
    one = { threshold = 1, dimensions = { a = "b = {" } } # resource "x" "y" {
    two = {
      threshold = 2
    }
  }
  parts = {
    on  = { metric = "a" }
    off = { metric = "b" }
  }
}
resource "aws_cloudwatch_metric_alarm" "each" {
  for_each = local.alarms
  alarm_name = each.key
}
resource "aws_cloudwatch_metric_alarm" "computed" {
  metric_query {
    expression = "IF(on == 0, off, 0)"
  }
  metric_query {
    metric {
      stat = "Sum"
    }
  }
  dynamic "metric_query" {
    for_each = local.parts
    content {
      metric {
        stat = "Sum"
      }
    }
  }
}
resource "aws_cloudwatch_dashboard" "this" {
}
"""


def configuration(folder: Path, alarms: str) -> Path:
    for name, text in (
        ("variables.tf", ROOT_VARIABLES),
        ("modules/router/variables.tf", ROUTER),
        ("modules/network/main.tf", NETWORK),
        ("modules/observability/main.tf", alarms),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_what_costs_is_counted_in_terraforms_text(tmp_path: Path) -> None:
    found = read_configured(configuration(tmp_path, ALARMS))
    assert (found.alarms, found.alarm_metrics) == (3, 2 + 3)
    assert (found.dashboards, found.metric_filters, found.customer_keys) == (1, 0, 0)
    assert found.private_endpoints == 2 * 3
    assert (found.memory_mb, found.idle_timeout_seconds) == (1024, 600)


def test_one_more_alarm_costs_more(tmp_path: Path) -> None:
    more = ALARMS.replace("    two = {", "    three = { threshold = 3 }\n    two = {")
    found = read_configured(configuration(tmp_path, more))
    assert found.alarm_metrics == 6


def test_what_cannot_be_counted_is_said(tmp_path: Path) -> None:
    unclear = ALARMS.replace("for_each = local.alarms", "for_each = toset(var.names)")
    with pytest.raises(CostError, match=r"does not follow from its text: for_each = toset"):
        read_configured(configuration(tmp_path, unclear))
    with pytest.raises(CostError, match="There is no Terraform"):
        read_configured(tmp_path / "nothing")


def test_the_repositorys_alarms_are_found(sheet: Sheet) -> None:
    assert sheet.configured.alarms > 0
    assert sheet.configured.alarm_metrics >= sheet.configured.alarms


# --- what the code does -------------------------------------------------------------------


def test_the_image_is_as_large_as_packer_makes_it() -> None:
    source = (ROOT / "packer/worker/source.pkr.hcl").read_text(encoding="utf-8")
    assert f"max(var.root_gib, {given.ROOT_GIB})" in source
    assert "max(1, ceil(local.model.bytes * 1.1 / 1073741824))" in source
    assert max(1, math.ceil(given.WEIGHTS_USED_GIB * 1.1)) == given.WEIGHTS_GIB


def test_an_idle_round_calls_no_more_than_is_counted() -> None:
    api = memory_api()
    api.give_fleet(GROUP)
    api.steward()
    before = len(api.dynamodb.calls), len(api.sqs.calls)
    api.steward()
    reads = [name for name, _ in api.dynamodb.calls[before[0] :]]
    # Each is an empty or small strongly consistent read: one unit.
    assert set(reads) <= {"query", "get_item"}, "an idle round writes"
    assert len(reads) <= given.STEWARD_READ_UNITS
    # It asks how many dead letters there are, and waits for none.
    asked = [name for name, _ in api.sqs.calls[before[1] :]]
    assert asked == ["get_queue_attributes"] * given.STEWARD_QUEUE_REQUESTS


def test_a_prompt_writes_no_more_than_is_counted() -> None:
    api = memory_api()
    job = api.infer()
    api.work(job["job_id"], StateChange(JobState.RUNNING), take=True)
    writes = sum(
        2 * len(arguments["TransactItems"]) if name == "transact_write_items" else 1
        for name, arguments in api.dynamodb.calls
        if name in ("transact_write_items", "update_item", "put_item", "delete_item")
    )
    # The last append takes the job off the list and puts the turn's answer; larger items and the
    # index count twice.
    assert writes + 2 * 4 <= given.OTHER_WRITE_UNITS
    append = table.append(
        "jobs", api.record(job["job_id"]), [StateChange(JobState.RUNNING)], api.time.clock()
    )
    assert 2 * len(append.transact_items) == given.WRITE_UNITS_PER_COMMIT
    for name in ("COMMIT_SECONDS", "COMMIT_SHARE", "MAX_COMMIT_SECONDS"):
        assert getattr(given, name) == getattr(job_run, name)


def test_reading_costs_half_of_what_it_did(sheet: Sheet) -> None:
    waiting, stream = total_beyond_free(sheet.waiting_hour), total_beyond_free(sheet.stream_hour)
    assert waiting <= READING_BAR * given.WAITING_HOUR_BEFORE_USD
    assert stream <= READING_BAR * given.STREAM_HOUR_BEFORE_USD
    assert "missed" not in page(sheet)


def test_a_reader_who_waits_asks_no_more_often_than_is_counted() -> None:
    """A boot, with an app that is told at once and asks at once when it may."""
    for name in dir(given):
        if "QUEUED" in name:
            assert getattr(given, name) == getattr(polling, name)
    api = memory_api()
    job_id = api.infer()["job_id"]
    api.dynamodb.calls.clear()
    began, polls = api.time.now, 0
    while api.time.now - began < given.BOOT_SECONDS:
        query = {"after": 1, "wait": MAX_EVENT_WAIT_SECONDS}
        found = api.call("GET", f"/jobs/{job_id}/events", query=query).json
        polls += 1
        held = api.time.now - began
        if polls == 1:
            assert held == pytest.approx(given.HELD_QUEUED_SECONDS, abs=0.5)
            names = [name for name, _ in api.dynamodb.calls]
            assert names.count("query") + 2 * names.count("batch_get_item") <= given.HELD_READS
            assert names.count("update_item") <= given.HELD_WRITES
        api.time.now += found["retry_after"]
    assert polls <= given.POLLS_PER_BOOT


def test_the_agents_metrics_are_counted() -> None:
    template = ROOT / "roles/cloudwatch/templates/amazon-cloudwatch-agent.json.j2"
    lists = re.findall(r"'measurement': \[([^\]]*)\]", template.read_text(encoding="utf-8"))
    *machine, card = (len(re.findall(r"'\w+'", each)) for each in lists)
    assert card == given.CARD_METRICS
    assert sum(machine) + 2 * card == given.AGENT_METRICS


# --- others -------------------------------------------------------------------------------


def test_few_sittings_stand_alone_and_many_fill_the_day() -> None:
    active = given.ACTIVE_HOURS_PER_DAY * given.DAYS_PER_MONTH
    on, starts = on_and_starts(0.01, 1, 600)
    assert math.isclose(starts, 0.01 * given.DAYS_PER_MONTH, rel_tol=0.001)
    assert math.isclose(on, starts * 600 / 3600, rel_tol=0.001)
    on, starts = on_and_starts(1_000_000, 10, 600)
    assert math.isclose(on, active)
    assert starts < 1


def test_bills_grow_with_the_prompts(sheet: Sheet) -> None:
    for offer in offers(sheet):
        bills = [offer.month(prompts) for prompts in PROMPTS]
        assert bills == sorted(bills)
        if offer.is_ours:
            assert math.isclose(offer.month(0), sheet.idle_usd)


def test_a_lone_prompt_costs_what_its_minutes_cost(sheet: Sheet) -> None:
    for kind in INSTANCE_TYPES:
        hour = sheet.gpu_hour_usd(kind, ON_DEMAND)
        assert hour / 6 < sheet.lone_prompt_usd(kind, ON_DEMAND) < hour / 5
        assert sheet.gpu_hour_usd(kind, SPOT) < hour


def test_where_two_bills_cross() -> None:
    flat, growing = Offer("flat", lambda _: 100.0), Offer("growing", lambda prompts: prompts)
    assert cheaper_from(flat, growing, most=1000) == 101
    assert cheaper_from(growing, flat, most=1000) is None
    assert cheaper_from(growing, flat, most=50) == 1


def _digest_in(picture: Path) -> str:
    with Image.open(picture) as image:
        return str(image.info[DIGEST])
