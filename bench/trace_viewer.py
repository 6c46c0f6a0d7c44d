"""Measure the trace viewer in Chromium on a synthetic trace: time to open, frames while scrolling, jumps, search.

    python bench/trace_viewer.py [--megabytes 50] [--chromium /usr/bin/chromium]

The recording is that of `bench/trajectory.py` in the format of Claude Code; megabytes refer to `trajectory.json`. The
page is opened from disk. Open: from the navigation until the first steps are on the screen. Scrolling: 100 turns of the
mouse wheel by 600 pixels in 5 seconds; intervals between frames are those of `requestAnimationFrame`. Jump: to a step
whose data file is not loaded, until it is on the screen. Search: three words in all steps, until the list is filtered.
"""

import argparse
import re
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from posttrainbench.records import AgentSpec, RunSpec
from posttrainbench.report.site.build import write_assets
from posttrainbench.report.site.trace_page import write_trace_page
from posttrainbench.run import Run
from posttrainbench.trajectory import write_trajectory
from trajectory import record

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
ROUNDS = 3
WORDS = "epoch GPU memory"
RATIO = 2.3
"""Size of the recording relative to the trajectory."""
FRAMES = """() => {
  window.frames_ = []; let last = performance.now();
  const tick = (now) => { window.frames_.push(now - last); last = now; window.handle_ = requestAnimationFrame(tick); };
  window.handle_ = requestAnimationFrame(tick);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = build(Path(folder), args.megabytes)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=args.chromium, args=FLAGS)
            for _ in range(ROUNDS):
                tab = browser.new_page(viewport={"width": 1280, "height": 900})
                measure(tab, page)
                tab.close()
            browser.close()


def build(folder: Path, megabytes: int) -> Path:
    root, site = folder / "run", folder / "site" / "runs" / "e" / "r"
    (root / "solve").mkdir(parents=True)
    unknown = dict.fromkeys(("model", "benchmark", "suite", "rules", "sandbox", "engine", "grader"), "x")
    hashes = dict.fromkeys(("prompt_sha256", "kit_sha256", "model_sha256"), "x")
    spec = RunSpec.model_validate(
        {"run": "r", "created": "2026-01-01T00:00:00+00:00", "agent": AgentSpec(name="a", scaffold="claude-code")}
        | {"budget": 36_000, "seed": 0, "versions": {}, "host": {}, **unknown, **hashes}
    )
    (root / "run.json").write_text(spec.model_dump_json())
    output, trajectory = root / "solve" / "output.jsonl", root / "solve" / "trajectory.json"
    record("claude-code", output, int(RATIO * megabytes * 1e6))
    write_trajectory(spec, "the prompt", output, trajectory, "claude-code", None)
    write_assets(folder / "site")
    began = time.process_time()
    trace = write_trace_page(Run(root), site, 3, "a run", [], "")
    seconds = time.process_time() - began
    if isinstance(trace, str):
        raise SystemExit(trace)
    size = trajectory.stat().st_size / 1e6
    print(f"{size:.0f} MB, {trace.steps:,} steps: written in {seconds:.1f} s of CPU time as {trace.pages} data files")
    print(f"data files {trace.size / 1e6:.0f} MB, index {(site / 'trace' / 'index.js').stat().st_size / 1e6:.2f} MB")
    return site / "trace.html"


def measure(tab: Page, page: Path) -> None:
    began = time.perf_counter()
    tab.goto(page.as_uri())
    tab.wait_for_selector("#step-2")
    opened = time.perf_counter() - began
    tab.mouse.move(640, 600)
    tab.evaluate(FRAMES)
    for _ in range(100):
        tab.mouse.wheel(0, 600)
        time.sleep(0.05)
    frames = sorted(tab.evaluate("() => { cancelAnimationFrame(window.handle_); return window.frames_; }")[2:])
    last = tab.evaluate("document.querySelectorAll('#steps section').length")
    began = time.perf_counter()
    tab.fill("#place", "5000" if last > 150 else "2")
    tab.press("#place", "Enter")
    tab.wait_for_selector(".step.target")
    jumped = time.perf_counter() - began
    began = time.perf_counter()
    tab.fill("#query", WORDS)
    tab.get_by_text(re.compile(r" of .* steps")).wait_for(timeout=120_000)
    searched = time.perf_counter() - began
    found = tab.inner_text("#status")
    heap = tab.evaluate("performance.memory.usedJSHeapSize") / 1e6
    print(
        f"open {opened:.2f} s; frames while scrolling: median {statistics.median(frames):.0f} ms, 99% within "
        f"{frames[int(0.99 * len(frames))]:.0f} ms, longest {frames[-1]:.0f} ms; jump {jumped:.2f} s; search "
        f"{searched:.1f} s ({found}); heap {heap:.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
