"""The figures: an idle month, a thousand prompts, an hour with a GPU."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from aistratus_operator.cloud.instance_types import default_instance_types
from cost_sheet import assumptions as given
from cost_sheet.configured import Configured
from cost_sheet.lines import Line, total, total_beyond_free
from cost_sheet.prices import Prices, instance_price

IDLE_BAR_USD: Final = 1.50
# Of what an hour of reading cost before decision 25.
READING_BAR: Final = 0.5
INSTANCE_TYPES: Final = tuple(each.type for each in default_instance_types())
SPOT, ON_DEMAND = "Spot", "on-demand"
_PER: Final = 1000
_GB: Final = 1e9


@dataclass(frozen=True)
class Sheet:
    """All figures, computed from the prices and from what Terraform makes."""

    prices: Prices
    configured: Configured

    def _line(self, what: str, quantity: float, price: str, why: str = "") -> Line:
        return Line(what, quantity, self.prices[price], why)

    @cached_property
    def idle_month(self) -> list[Line]:
        """Everything that is charged while no prompt arrives and the GPU is off."""
        rounds = given.ROUNDS_PER_MONTH
        gb_seconds = rounds * given.STEWARD_SECONDS * self.configured.memory_mb / 1024
        log_gb = rounds * given.STEWARD_LOG_BYTES / _GB
        line = self._line
        return [
            line("image: snapshot of the root volume", given.ROOT_USED_GIB, "snapshot"),
            line("image: snapshot of the weights", given.WEIGHTS_USED_GIB, "snapshot"),
            line("alarms", self.configured.alarm_metrics, "alarm"),
            line("dashboards", self.configured.dashboards, "dashboard"),
            line("metrics made of logs", self.configured.metric_filters, "metric"),
            line("customer-managed keys", self.configured.customer_keys, "key"),
            line("steward: time", gb_seconds, "lambda_duration"),
            line("steward: calls", rounds, "lambda_request"),
            line("steward: its schedule", rounds, "scheduled_event"),
            line("steward: reads", rounds * given.STEWARD_READ_UNITS, "table_read"),
            line("steward: dead letters", rounds * given.STEWARD_QUEUE_REQUESTS, "queue_request"),
            line("steward: traces", rounds * given.STEWARD_TRACES, "trace"),
            line("logs written", log_gb, "log_ingestion"),
            line("logs kept", log_gb, "log_storage"),
            line("table: storage", given.TABLE_GB, "table_storage"),
            line("table: point-in-time recovery", given.TABLE_GB, "table_backup"),
            line("state bucket: storage", given.STATE_GB, "state_storage"),
            line("state bucket: requests", given.STATE_WRITES_PER_MONTH, "state_write"),
            line("registry", 1, "standard_parameter"),
            line("users who sign in", 1, "monthly_user"),
            line("API, queue, network", 0, "http_api_request"),
        ]

    @property
    def idle_usd(self) -> float:
        """The cost of an idle month."""
        return total(self.idle_month)

    @property
    def idle_usd_full_root(self) -> float:
        """The cost of an idle month if the snapshot held every block of the root volume."""
        more = given.ROOT_GIB - given.ROOT_USED_GIB
        return self.idle_usd + more * self.prices["snapshot"].usd

    @property
    def second_environment_usd(self) -> float:
        """The extra cost of another environment: it shares the image and the free units."""
        own = [line for line in self.idle_month if not line.what.startswith(("image", "state"))]
        both = [Line(line.what, 2 * line.quantity, line.price) for line in own]
        return total(both) - total(own)

    @property
    def private_month_usd(self) -> float:
        """The extra cost of a private network per month."""
        endpoints = self.configured.private_endpoints * given.HOURS_PER_MONTH
        return self._line("", endpoints, "interface_endpoint").usd

    @cached_property
    def thousand_prompts(self) -> list[Line]:
        """The cost of a thousand prompts apart from the GPU; free units are not deducted."""
        requests = given.HTTP_REQUESTS
        writes = given.COMMITS * given.WRITE_UNITS_PER_COMMIT + given.OTHER_WRITE_UNITS
        seconds = given.HELD_FIRST_SECONDS + requests * given.POLL_SECONDS
        gb_seconds = seconds * self.configured.memory_mb / 1024
        line = self._line
        return [
            line("table: writes", _PER * writes, "table_write"),
            line("table: reads", _PER * given.READ_UNITS, "table_read"),
            line("API requests", _PER * requests, "http_api_request"),
            line("router: time", _PER * gb_seconds, "lambda_duration"),
            line("router: calls", _PER * requests, "lambda_request"),
            line("queue", _PER * given.QUEUE_REQUESTS, "queue_request"),
            line("logs", _PER * requests * given.LOG_BYTES_PER_REQUEST / _GB, "log_ingestion"),
            line(
                "text to the reader",
                _PER * requests * given.OUT_BYTES_PER_REQUEST / _GB,
                "traffic_out",
            ),
        ]

    @cached_property
    def waiting_hour(self) -> list[Line]:
        """The cost of one reader who waits for boots, one after another, for an hour."""
        boots = 3600 / given.BOOT_SECONDS
        polls, questions = boots * given.POLLS_PER_BOOT, 3600 / given.SECONDS_BETWEEN_QUESTIONS
        seconds = boots * given.HELD_QUEUED_SECONDS + (polls + questions) * given.POLL_SECONDS
        reads = polls + boots * given.HELD_READS + questions * given.READS_PER_QUESTION
        return [
            self._line("table: writes", boots * given.HELD_WRITES, "table_write"),
            *self._reading(polls + questions, seconds, reads),
        ]

    @cached_property
    def stream_hour(self) -> list[Line]:
        """The cost of one answer that is read as it is written, for an hour."""
        commits = 3600 / given.MAX_COMMIT_SECONDS
        late = commits * given.LATE_SHARE
        writes = commits * given.WRITE_UNITS_PER_COMMIT + late * given.HELD_WRITES
        seconds = commits * given.POLL_SECONDS + late * given.LATE_SECONDS
        return [
            self._line("table: writes", writes, "table_write"),
            *self._reading(commits, seconds, commits + late * given.LATE_READS),
        ]

    def _reading(self, requests: float, seconds: float, reads: float) -> list[Line]:
        gb_seconds = seconds * self.configured.memory_mb / 1024
        line = self._line
        return [
            line("table: reads", reads, "table_read"),
            line("API requests", requests, "http_api_request"),
            line("router: time", gb_seconds, "lambda_duration"),
            line("router: calls", requests, "lambda_request"),
            line("logs", requests * given.LOG_BYTES_PER_REQUEST / _GB, "log_ingestion"),
            line("text to the reader", requests * given.OUT_BYTES_PER_REQUEST / _GB, "traffic_out"),
        ]

    @property
    def thousand_prompts_usd(self) -> float:
        """The cost of a thousand prompts, without the GPU."""
        return total_beyond_free(self.thousand_prompts)

    def gpu_hour(self, instance_type: str, purchase: str) -> list[Line]:
        """The cost of an hour for which an instance runs."""
        hour = 1 / given.HOURS_PER_MONTH
        throughput = given.WEIGHTS_THROUGHPUT_MIBPS - given.INCLUDED_THROUGHPUT_MIBPS
        share = self.prices["spot_share"].usd if purchase == SPOT else 1.0
        line = self._line
        return [
            line("instance", share, instance_price(instance_type)),
            line("public address", 1, "public_ipv4"),
            line("volumes", (given.ROOT_GIB + given.WEIGHTS_GIB) * hour, "gp3"),
            line("throughput of the weights' volume", throughput * hour, "gp3_throughput"),
            line("metrics", (given.ENGINE_METRICS + given.AGENT_METRICS) * hour, "metric"),
            line("logs", given.WORKER_LOG_BYTES_PER_HOUR / _GB, "log_ingestion"),
            line("signs of life", given.SIGNS_OF_LIFE_PER_HOUR, "table_write"),
            line("polls of the queue", given.RECEIVES_PER_HOUR, "queue_request"),
        ]

    def gpu_hour_usd(self, instance_type: str, purchase: str) -> float:
        """The cost of an hour with a GPU; free units are not deducted."""
        return total_beyond_free(self.gpu_hour(instance_type, purchase))

    @property
    def wake_usd(self) -> float:
        """The cost of a wake apart from its hours: filling the weights' volume at a set rate."""
        return self._line("", given.WEIGHTS_USED_GIB, "volume_initialization").beyond_free

    def office_hours_usd(self, instance_type: str, purchase: str) -> float:
        """The cost of a month in which a schedule keeps a GPU on in office hours."""
        hours = given.OFFICE_HOURS_PER_MONTH
        wakes = self.wake_usd * hours / given.OFFICE_HOURS_A_DAY
        return hours * self.gpu_hour_usd(instance_type, purchase) + wakes

    def lone_prompt_usd(self, instance_type: str, purchase: str) -> float:
        """The cost of one prompt that wakes the GPU, which then idles until its timeout."""
        idle = self.configured.idle_timeout_seconds
        seconds = given.BOOT_SECONDS + given.ANSWER_SECONDS + idle
        hours = seconds / 3600
        return (
            hours * self.gpu_hour_usd(instance_type, purchase)
            + self.wake_usd
            + self.thousand_prompts_usd / _PER
        )
