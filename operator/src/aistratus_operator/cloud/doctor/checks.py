"""All that the doctor looks at, in the order of its report."""

from typing import Final

from aistratus_operator.cloud.doctor import account_checks, deployed_checks, fleet_checks
from aistratus_operator.cloud.doctor.findings import Check, Finding, Verdict
from aistratus_operator.cloud.doctor.patient import Patient

HERE: Final = Check("terraform", account_checks.terraform)
SIGNED_IN: Final = Check("credentials", account_checks.credentials)

OF_THE_ACCOUNT: Final = (
    Check("instance-types", account_checks.instance_types),
    Check("quotas", account_checks.quotas),
    Check("concurrency", account_checks.concurrency),
    Check("image", fleet_checks.image),
    Check("state-lock", account_checks.state_lock),
)

REGISTRY: Final = Check("registry", deployed_checks.registry)

OF_WHAT_IS_DEPLOYED: Final = (
    Check("ids", deployed_checks.ids),
    Check("launch-template", fleet_checks.launch_template),
    Check("router", deployed_checks.router),
    Check("steward", deployed_checks.steward),
    Check("alarms", deployed_checks.alarms),
    Check("queue", deployed_checks.queue),
    Check("dead-letters", deployed_checks.dead_letters),
    Check("fleet", fleet_checks.fleet),
    Check("starts", fleet_checks.starts),
    Check("idle", fleet_checks.idle),
    Check("logs", deployed_checks.logs),
    Check("budget", deployed_checks.budget),
    Check("tags", deployed_checks.tags),
)

CHECKS: Final = (HERE, SIGNED_IN, *OF_THE_ACCOUNT, REGISTRY, *OF_WHAT_IS_DEPLOYED)


def examine(patient: Patient) -> list[Finding]:
    """Make all checks, as far as they can be made; changes nothing."""
    findings = [HERE.find(patient), SIGNED_IN.find(patient)]
    if findings[-1].verdict is not Verdict.OK:
        why = "Without credentials nothing of the account can be seen."
        return [*findings, *(check.not_seen(why) for check in CHECKS[2:])]
    findings += [check.find(patient) for check in (*OF_THE_ACCOUNT, REGISTRY)]
    whole = findings[-1]
    if whole.verdict is Verdict.OK:
        return [*findings, *(check.find(patient) for check in OF_WHAT_IS_DEPLOYED)]
    why = whole.says if whole.verdict is Verdict.NOT_SEEN else "The registry is not whole."
    return [*findings, *(check.not_seen(why) for check in OF_WHAT_IS_DEPLOYED)]
