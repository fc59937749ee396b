"""A simulated provider: the OpenAI protocol on loopback, in a separate process, with configurable speed and limits.

It knows nothing of the catalogue: it answers texts with vectors and sentences that are derived from them alone.
This module is light to import; `simulator.server` has `create_app`, `listening` and `serve`, and needs aiohttp and
NumPy. `process` starts `server`, which answers with `protocol` and `content`; `traffic` limits and counts.
"""

from animerag.simulator.process import SimulatorProcess
from animerag.simulator.settings import Fault, SimulatorSettings, add_arguments, parse_faults, settings_from
from animerag.simulator.traffic import SimulatorStats, Visit

__all__ = [
    "Fault",
    "SimulatorProcess",
    "SimulatorSettings",
    "SimulatorStats",
    "Visit",
    "add_arguments",
    "parse_faults",
    "settings_from",
]
