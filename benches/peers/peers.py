#!/usr/bin/env python3
"""Measures peers that are called from Python, on one core, and writes rows of the same columns as `report`.

    cargo run --release -p wcodec-benches --bin report -- inputs -o /tmp/inputs
    python peers.py /tmp/inputs/bf16.safetensors -o peers.csv
    cargo run --release -p wcodec-benches --bin report -- plot benches/results/<machine> --peers peers.csv

A peer that is not installed, or that does not take the dtype, is skipped with a line that says so. Every peer gives
the bytes back before it is timed. All peers take turns, round after round, beside a copy of the same bytes.
"""

import argparse
import csv
import hashlib
import importlib
import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

COLUMNS = (
    "dtype codec path threads operation input input_sha256 raw_bytes coded_bytes percent_of_raw timed_bytes "
    "repetitions seconds_median seconds_min seconds_max gb_per_s of_memcpy"
).split()
# OpenZL and zstd take the bytes in blocks of this many.
BLOCK_BYTES = 4 << 20


def blocks(raw):
    view = memoryview(raw)
    return [view[start : start + BLOCK_BYTES] for start in range(0, len(view), BLOCK_BYTES)]


class Memcpy:
    """The speed limit: one copy between two buffers that exist."""

    def __init__(self, _dtype):
        self.numpy = importlib.import_module("numpy")
        self.out = None

    def encode(self, raw):
        from_bytes = self.numpy.frombuffer(raw, dtype=self.numpy.uint8)
        if self.out is None:
            self.out = self.numpy.ones_like(from_bytes)
        self.numpy.copyto(self.out, from_bytes)
        return [raw]

    def decode(self, coded):
        self.encode(coded[0])
        return [self.out]


class Zstd:
    level = 3

    def __init__(self, _dtype):
        zstandard = importlib.import_module("zstandard")
        self.encoder = zstandard.ZstdCompressor(level=self.level, threads=0)
        self.decoder = zstandard.ZstdDecompressor()

    def encode(self, raw):
        return [self.encoder.compress(block) for block in blocks(raw)]

    def decode(self, coded):
        return [self.decoder.decompress(block) for block in coded]


class Zstd1(Zstd):
    level = 1


class OpenZL:
    """The float's exponents through an entropy coder, its other bits stored."""

    entropy = "Huffman"
    nodes = {"bf16": "BFloat16Deconstruct", "f16": "Float16Deconstruct", "f32": "Float32Deconstruct"}

    def __init__(self, dtype):
        if dtype not in self.nodes:
            raise ValueError(f"no graph for {dtype}")
        self.zl = importlib.import_module("openzl.ext")
        numpy = importlib.import_module("numpy")
        self.element = numpy.uint32 if dtype == "f32" else numpy.uint16
        self.numpy = numpy
        self.compressor = self.zl.Compressor()
        graphs, node = self.zl.graphs, getattr(self.zl.nodes, self.nodes[dtype])()
        exponent = getattr(graphs, self.entropy)()
        graph = node(self.compressor, sign_frac=graphs.Store()(self.compressor), exponent=exponent(self.compressor))
        self.compressor.select_starting_graph(graph)

    def encode(self, raw):
        coded = []
        for block in blocks(raw):
            context = self.zl.CCtx()
            context.ref_compressor(self.compressor)
            context.set_parameter(self.zl.CParam.FormatVersion, self.zl.MAX_FORMAT_VERSION)
            numbers = self.numpy.frombuffer(block, dtype=self.element)
            coded.append(context.compress([self.zl.Input(self.zl.Type.Numeric, numbers)]))
        return coded

    def decode(self, coded):
        context = self.zl.DCtx()
        return [context.decompress(block)[0].content.as_nparray() for block in coded]


class OpenZLFse(OpenZL):
    entropy = "Fse"


class ZipNN:
    dtypes = {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}

    def __init__(self, dtype):
        if dtype not in self.dtypes:
            raise ValueError(f"no mode for {dtype}")
        codec = importlib.import_module("zipnn").ZipNN
        self.codec = codec(bytearray_dtype=self.dtypes[dtype], threads=1)

    def encode(self, raw):
        # It works in the buffer it is given, so it gets one of its own.
        return [self.codec.compress(bytearray(raw))]

    def decode(self, coded):
        return [self.codec.decompress(coded[0])]


PEERS = {
    "memcpy (Python)": Memcpy,
    "zstd -1 (Python)": Zstd1,
    "zstd -3 (Python)": Zstd,
    "OpenZL Huffman (Python)": OpenZL,
    "OpenZL FSE (Python)": OpenZLFse,
    "ZipNN (Python)": ZipNN,
}


def timed(work, argument):
    start = time.perf_counter()
    result = work(argument)
    return time.perf_counter() - start, result


def verified(name, kind, dtype, raw):
    """The peer and what it coded, or None with a line that says why."""
    try:
        peer = kind(dtype)
        coded = peer.encode(raw)
        back = b"".join(bytes(memoryview(part).cast("B")) for part in peer.decode(coded))
    except (ImportError, ValueError) as error:
        print(f"{name}: skipped ({error})", file=sys.stderr)
        return None
    if back != raw:
        sys.exit(f"{name}: gives back other bytes")
    size = sum(len(part) for part in coded)
    print(f"{name}: verified, {100 * size / len(raw):.1f} % of raw", file=sys.stderr)
    return peer, coded


def measure(path, repetitions):
    file = path.read_bytes()
    header_bytes = int.from_bytes(file[:8], "little")
    json.loads(file[8 : 8 + header_bytes])
    raw = file[8 + header_bytes :]
    dtype = path.name.removesuffix(".safetensors")
    digest = hashlib.sha256(raw).hexdigest()
    found = {name: verified(name, kind, dtype, raw) for name, kind in PEERS.items()}
    found = {name: peer for name, peer in found.items() if peer}
    seconds = {(name, operation): [] for name in found for operation in ("decode", "encode")}
    for round_number in range(repetitions):
        for name, (peer, coded) in found.items():
            seconds[name, "decode"].append(timed(peer.decode, coded)[0])
            if round_number % 2 == 0:
                seconds[name, "encode"].append(timed(peer.encode, raw)[0])
    for (name, operation), times in seconds.items():
        median = statistics.median(times)
        copy = statistics.median(seconds["memcpy (Python)", operation])
        coded_bytes = sum(len(part) for part in found[name][1])
        speed = len(raw) / median / 1e9
        print(f"{dtype} {operation} {name:25} {speed:6.2f} GB/s", file=sys.stderr)
        values = [
            dtype, name, "", 1, operation, path.name, digest, len(raw), coded_bytes, 100 * coded_bytes / len(raw),
            len(raw), len(times), median, min(times), max(times), speed, copy / median,
        ]  # fmt: skip
        yield dict(zip(COLUMNS, values, strict=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+", type=Path, help="files that `report inputs` wrote")
    parser.add_argument("-o", "--output", required=True, type=Path, help="the CSV file to write")
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # one core, whatever a library starts
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with arguments.output.open("w", newline="") as output:
        writer = csv.DictWriter(output, COLUMNS)
        writer.writeheader()
        for path in arguments.inputs:
            writer.writerows(measure(path, arguments.repetitions))


if __name__ == "__main__":
    main()
