"""What keeping things in a bucket costs: requests, seconds a thing and a byte, against an S3 server.

    python benchmarks/objects_cost.py [--things 200] [--bytes 20000] [--large 67108864]

The server (moto) runs in this process, so seconds are a bound of the client's share, not of a real store.
Prints a table in Markdown. Needs `pip install '.[test]'` in the checkout.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from congruence.storage import atomic_folder, elsewhere, write_artefact
from congruence.storage.mirror import Keeper, Mirror
from congruence.storage.objects import Remote
from object_server import s3_server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--things", type=int, default=200)
    parser.add_argument("--bytes", type=int, default=20_000)
    parser.add_argument("--large", type=int, default=64 << 20)
    options = parser.parse_args()
    with (
        pytest.MonkeyPatch.context() as patch,
        s3_server(patch) as way,
        tempfile.TemporaryDirectory() as root,
    ):
        store = Remote("s3://bucket/run")
        one = Mirror(Path(root) / "one", [Keeper(store)])
        names = [f"cells/L1-L{number}-{number:016x}" for number in range(options.things)]

        def make(name: str, size: int) -> None:
            with atomic_folder(one.root / name) as folder:
                (folder / "numbers").write_bytes(os.urandom(size))
                write_artefact(folder / "cell.json", "cell", 1, {}, files=["numbers"])

        started = time.perf_counter()
        with elsewhere.joined(one):
            for name in names:
                make(name, options.bytes)
            one.settle()
        passed, asked = time.perf_counter() - started, len(way.seen)
        print("| a bucket | | requests |\n|---|---|---|")
        each = f"{1e3 * passed / len(names):.1f} ms | {asked / len(names):.1f}"
        print(f"| keep a thing of two files, {options.bytes:,} bytes | {each} |")
        way.seen.clear()
        started = time.perf_counter()
        two = Mirror(Path(root) / "two", [Keeper(store)])
        two.ask_all([two.root / name for name in names])
        passed, asked = time.perf_counter() - started, len(way.seen)
        each = f"{1e3 * passed / len(names):.1f} ms | {asked / len(names):.1f}"
        print(f"| bring it | {each} |")
        large, size = "cells/L0-L0-ffffffffffffffff", options.large / 1e6
        started = time.perf_counter()
        with elsewhere.joined(one):
            make(large, options.large)
            one.settle()
        print(f"| keep {size:.0f} MB | {size / (time.perf_counter() - started):.0f} MB/s | |")
        started = time.perf_counter()
        two.ask(two.root / large)
        print(f"| bring {size:.0f} MB | {size / (time.perf_counter() - started):.0f} MB/s | |")


if __name__ == "__main__":
    main()
