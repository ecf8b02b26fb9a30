"""Many visitors at once: starts the app, lets them mix without a pause, and prints latencies and memory.

Some are told that the app is busy: it prints how many, and how long they tried until they had their mix.

python -m benchmarks.load --visitors 100 --seconds 60
python -m benchmarks.load --visitors 2 --hostile 3    # and three who send pictures that take seconds and gigabytes
"""

import argparse
import asyncio
import itertools
import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
KITTENS = sorted((ROOT / "examples").glob("kitten-*.png"))
PHOTO = ROOT / "examples" / "chelsea.jpg"
PATIENCE = 60  # seconds after the end


async def visit(
    number: int, url: str, end: float, latencies: list[float], waits: list[float], answers: Counter, photos: float
) -> None:
    chance = random.Random(number)
    headers = {"x-forwarded-for": f"10.{number // 250}.{number % 250}.1"}  # a visitor is an address
    async with httpx.AsyncClient(base_url=f"{url}/gradio_api", headers=headers, timeout=60) as client:
        pause, first = 1.0, None  # who is told to wait tries again, each time after twice as long, as the page does
        while time.monotonic() < end or first:
            pictures = [PHOTO if chance.random() < photos else chance.choice(KITTENS) for _ in range(2)]
            started = time.monotonic()
            first = first or started
            try:
                answer = await client.post("/upload", files=[("files", picture.read_bytes()) for picture in pictures])
                if answer.status_code == 200:
                    files = [{"path": path, "meta": {"_type": "gradio.FileData"}} for path in answer.json()]
                    body = {"data": [f"v{chance.randint(1, 6)}", *files, chance.randint(2, 24), "lerp"]}
                    answer = await client.post("/call/mix", json=body)
                if answer.status_code == 200:
                    answer = await client.get(f"/call/mix/{answer.json()['event_id']}")
                    said = "mixed" if "event: complete" in answer.text else answer.text.strip()[-150:]
                else:
                    said = "busy" if answer.status_code == 429 else f"status {answer.status_code}"
            except httpx.HTTPError as error:
                said = type(error).__name__
            answers[said] += 1
            if said == "mixed":
                now = time.monotonic()
                latencies.append(now - started)
                waits += [now - first] if first < started else []
                pause, first = 1.0, None
            elif time.monotonic() < end + PATIENCE:
                await asyncio.sleep(pause * chance.uniform(0.5, 1.5))
                pause = min(2 * pause, 4)
            else:
                answers["without a mix at the end"] += 1
                return


async def overload(number: int, url: str, end: float, pictures: Sequence[bytes]) -> None:
    """Send one picture after another to all endpoints that take any, as fast as one may, and wait for no answer."""
    headers = {"x-forwarded-for": f"172.16.{number}.1"}
    async with httpx.AsyncClient(base_url=f"{url}/gradio_api", headers=headers, timeout=60) as client:
        for turn in itertools.count(number):
            if time.monotonic() > end:
                return
            with suppress(httpx.HTTPError):
                picture = pictures[turn % len(pictures)]
                answer = await client.post("/upload", files=[("files", picture)])
                if answer.status_code == 200:
                    file = {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}}
                    name, data = (
                        ("cut", [file, 1, 1, 0, 0, 0]),
                        ("mix", ["v6", file, file, 9, "lerp"]),
                        ("compare", [file, file]),
                        ("reconstruct", ["v6", file]),
                    )[turn // len(pictures) % 4]
                    await client.post(f"/call/{name}", json={"data": data})
            await asyncio.sleep(0.2)


def resident_mb(pid: int) -> float:
    """Memory of a process and of those that it started."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    own = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
    return own + sum(map(resident_mb, map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())))


async def run(args: argparse.Namespace, url: str, pid: int) -> None:
    latencies, waits, answers, memory = [], [], Counter(), []
    pictures = []
    if args.hostile:
        from tests.hostile import heavy_files  # only here: it needs the extra dev

        pictures = list(heavy_files().values())
    end = time.monotonic() + args.seconds
    visitors = [
        asyncio.create_task(visit(i, url, end, latencies, waits, answers, args.photos)) for i in range(args.visitors)
    ]
    visitors += [asyncio.create_task(overload(i, url, end, pictures)) for i in range(args.hostile)]
    while time.monotonic() < end:
        memory.append(resident_mb(pid))
        await asyncio.sleep(0.1)
    await asyncio.gather(*visitors)
    print(f"{args.visitors} visitors, {args.seconds} s: {dict(answers)}")
    if not latencies:
        raise SystemExit("not one mix was answered")
    p50, p95, most = np.percentile(latencies, [50, 95, 100])
    rate = len(latencies) / args.seconds
    print(f"mixes answered: {rate:.1f} a second, p50 {p50:.2f} s, p95 {p95:.2f} s, most {most:.2f} s")
    if waits:
        p50, p95, longest = np.percentile(waits, [50, 95, 100])
        print(f"told to wait, then mixed: {len(waits)}, after p50 {p50:.1f} s, p95 {p95:.1f} s, most {longest:.1f} s")
    print(f"memory: {memory[0]:.0f} MB at first, {max(memory):.0f} at most, {resident_mb(pid):.0f} at the end")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_app(**variables: str) -> Iterator[tuple[str, int]]:
    """The app on a free port, with more environment variables: address and process number, once it answers."""
    port = free_port()
    env = {**os.environ, "PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False", **variables}
    app = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        while True:
            try:
                httpx.get(url, timeout=5)
                break
            except httpx.HTTPError:
                time.sleep(0.2)
        yield url, app.pid
    finally:
        app.terminate()
        app.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--hostile", type=int, default=0, help="more who send pictures that take seconds and gigabytes")
    parser.add_argument("--photos", type=float, default=0.1, help="share of pictures that are whole photos")
    args = parser.parse_args()
    with running_app() as (url, pid):
        asyncio.run(run(args, url, pid))


if __name__ == "__main__":
    main()
