"""The code location that Dagster loads: everything found in `triage_assets.defs`, and nothing else.

Loading it touches no store, network or clock. The one thing it reads is the model that the settings name, because
Dagster takes the code version of `predictions` while definitions load or never.
"""

import dagster as dg

from triage_assets import defs as stages
from triage_assets.defs import automation
from triage_assets.defs.resources import RESOURCES

defs = dg.Definitions(
    assets=dg.load_assets_from_package_module(stages, include_specs=True),
    jobs=automation.JOBS,
    sensors=automation.SENSORS,
    schedules=automation.SCHEDULES,
    resources=RESOURCES,
    # A run is a process of its own already; a second one per step would cost three seconds and share nothing.
    executor=dg.in_process_executor,
)
