"""What may not grow, and is judged: instructions for a request beside a recorded budget, memory and descriptors over many requests."""

import json
import pathlib

import memory
from callgrind import read_instructions, wrapper
from place import Place, load
from report import Row, number

BUDGET = pathlib.Path(__file__).with_name("instructions.json")
TOKEN_BYTES = 440
FEW, MANY = 500, 3500
MARGIN = 1.10


def growth(options):
    yield instructions_row()
    yield memory.growth_by_requests(options)
    yield memory.growth_by_refreshes(options)


def instructions(requests):
    """Of a whole run of purserd that answers so many calls; they are the same whatever else the machine does."""
    with Place() as place:
        place.populate("c", 1, TOKEN_BYTES)
        out = place.directory / "callgrind.out"
        process = place.start_settled(*wrapper(out))
        load(place.socket, place.requests("c0"), "-c", "1", "-n", str(requests), "-d", "3600", "-w", "0", "-x", "access_token")
        place.stop(process)
        return read_instructions(out)


def instructions_row():
    budget = json.loads(BUDGET.read_text())["get_token"]
    each = (instructions(MANY) - instructions(FEW)) / (MANY - FEW)
    return Row("growth", "instructions of purserd for a GetToken (callgrind)", number(budget), number(each),
               "%.2f" % (each / budget), "≤ %.2f" % MARGIN, each <= budget * MARGIN, {"budget": budget, "instructions": each})
