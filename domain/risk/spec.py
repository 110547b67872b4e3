"""What the people who run this want of risk, the same for every run."""

from domain.risk.breaker_spec import BreakerSpec
from domain.risk.emergency import EmergencySpec
from domain.risk.facts import PreflightSpec
from domain.risk.limits import LimitsSpec
from domain.risk.monitor_spec import MonitorSpec
from domain.written import Written


class RiskSpec(Written):
    """What halts openings, and what makes runs leave."""

    breaker: BreakerSpec = BreakerSpec()
    """When a breaker opens, and how it closes: those of runs, accounts and everything alike."""
    limits: LimitsSpec = LimitsSpec()
    """What runs may have at risk at most; without any there is no limit."""
    preflight: PreflightSpec = PreflightSpec()
    """What must be in order before a run begins or goes on."""
    monitor: MonitorSpec | None = None
    """The market monitor; None: nobody watches the market. With one, openings are halted while it
    says so, and while it says nothing."""
    emergency: EmergencySpec = EmergencySpec()
    """When runs leave the market by themselves, and in how many steps they do, told or not."""
