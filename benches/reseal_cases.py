"""reseal's command lines for an outside benchmark harness (RESEAL_CASES names this file)."""
import os

# RESEAL_SCAN: more options for the rows of `scan`, such as `--readers 2`.
_MORE = os.environ.get("RESEAL_SCAN", "")

CMD = {
    "version": "--version",
    "help": "--help",
    "check_one": "check {file}",
    "scan": f"scan {_MORE} {{dir}}",
    "scan_json": f"scan {_MORE} --format jsonl {{dir}}",
    "live": "scan --list {file} --concurrency {conc} --timeout {timeout} --max 1000000",
}
OK = {"check_one": (0, 3), "scan": (0, 3), "scan_json": (0, 3), "live": (0, 3)}

# One match for each certificate, and for each server. The harness expects one for each file in its tree of ordinary files,
# whatever is beside the leaf there.
COUNT = {
    "scan": r"(?m)^(?:(?:critical|warning|note|good) |  (?:chain|root) (?!.*/noise/))",
    "scan_json": r'"fingerprint":"',
    "live": r"(?m)^(?:critical|warning|note|good) ",
}
