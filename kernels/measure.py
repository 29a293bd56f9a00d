"""What ptxas and cuobjdump say of the kernels.

    measure.py kernels LOG GPU    registers, shared memory, spills of each kernel; fails if any spills
    measure.py loop SASS GPU      instructions of the loop over tiles of `rans_bf16`, by weight
"""

import re
import sys

# Weights that a lane decodes in one turn of the loop over tiles (LANE_SAMPLES in cuda/device.cuh).
LANE_SAMPLES = 8


def kernels(log, gpu):
    """Prints a line for each kernel; returns whether none of them uses local memory."""
    rows, name = {}, None
    for line in log.splitlines():
        if found := re.search(r"Compiling entry function '(\w+)'", line):
            name = found[1]
        elif found := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line):
            rows[name] = [int(number) for number in found.groups()]
        elif found := re.search(r"Used (\d+) registers", line):
            shared = re.search(r"(\d+) bytes smem", line)
            rows[name] = [int(found[1]), int(shared[1]) if shared else 0, *rows[name]]
    if not rows:
        sys.exit("ptxas said nothing of any kernel")
    print(f"{gpu:18} {'registers':>9} {'shared':>7} {'stack':>6} {'spill stores':>12} {'spill loads':>11}")
    for name, (registers, shared, stack, stores, loads) in sorted(rows.items()):
        print(f"{name:18} {registers:9} {shared:7} {stack:6} {stores:12} {loads:11}")
    return all(row[2:] == [0, 0, 0] for row in rows.values())


def instructions(sass):
    """Address and text of every instruction."""
    found = re.findall(r"^\s+/\*([0-9a-f]{4,5})\*/\s+(.*?)\s*;", sass, re.M)
    return [(int(address, 16), text) for address, text in found]


def target(text):
    """Where a branch goes, if it is one."""
    found = re.search(r"\bBRA (?:P\d, )?0x([0-9a-f]+)", text)
    return int(found[1], 16) if found else None


def tile_loop(code):
    """The innermost loop that stores the codes of a whole tile."""
    loops = []
    for address, text in code:
        start = target(text)
        if start is not None and start < address:
            body = [line for line in code if start <= line[0] <= address]
            if sum("STS.U8" in line[1] for line in body) == LANE_SAMPLES:
                loops.append(body)
    return min(loops, key=len)


def runs(code, taken):
    """Instructions that run in one turn of a loop if just the forward branches in `taken` are taken."""
    run, skip_to = [], 0
    for address, text in code:
        if address < skip_to:
            continue
        run.append((address, text))
        if address in taken:
            skip_to = target(text)
    return run


def paths(body):
    """The turn of the loop with aligned output, without and with moving the window of words."""
    branches = [(address, target(text)) for address, text in body if target(text) is not None and "BRA.DIV" not in text]
    ahead = [(address, to) for address, to in branches if to > address]

    def skips(branch, mark):
        address, to = branch
        return any(address < at < to and mark in text for at, text in body)

    window = [branch for branch in ahead if skips(branch, "LDS.128") and not skips(branch, "STS.U8")]
    narrow = [
        branch
        for branch in ahead
        if skips(branch, "ST.E.U16") and not skips(branch, "STS.U8") and not skips(branch, "ST.E.128")
    ]
    taken = {address for address, _ in narrow}
    return runs(body, taken | {address for address, _ in window}), runs(body, taken)


def loop(sass, gpu):
    body = tile_loop(instructions(sass))
    usual, moving = paths(body)
    symbols = [line[1] for line in usual]
    first, last = [[index for index, text in enumerate(symbols) if "STS.U8" in text][at] for at in (0, -1)]
    by_symbol = (last - first) / (LANE_SAMPLES - 1)
    print(f"rans_bf16, {gpu}, loop over tiles of {LANE_SAMPLES} weights a lane:")
    print(f"{len(usual):5} instructions of a lane in a turn: {len(usual) / LANE_SAMPLES:.1f} a weight")
    print(f"{by_symbol:5.1f} of them a symbol: state, slot, word, code")
    print(f"{len(moving) - len(usual):5} more where the window of words moves: once in 256 words of the warp")
    for name in ["POPC", "VOTE", "LDS", "STS", "LDG", "ST.E"]:
        print(f"{sum(re.search(rf'(^| ){name}', text) is not None for text in symbols):5} {name}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    with open(sys.argv[2], encoding="utf-8") as file:
        text = file.read()
    if sys.argv[1] == "loop":
        loop(text, sys.argv[3])
    elif not kernels(text, sys.argv[3]):
        sys.exit("a kernel uses local memory")
