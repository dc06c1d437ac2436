"""reseal's command lines for an outside benchmark harness (RESEAL_CASES names this file)."""
CMD = {
    "version": "--version",
    "help": "--help",
    "check_one": "check {file}",
    # Scanning trees and lists is a verb of its own, still to come.
    "scan": None,
    "scan_json": None,
    "live": None,
}
OK = {"check_one": (0, 3)}
