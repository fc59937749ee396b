"""A provider to practise on: the OpenAI protocol on loopback, in its own process, as slow and strict as configured.

Light to import; `animerag.simulator.server` has `create_app`, `listening` and `serve`, and loads aiohttp and NumPy.
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
