#!/usr/bin/env python3
"""What a hook or a timer costs that finds nothing to do on 200 targets: time, peak memory, and that nothing is written.

    benches/idle.py PROGRAM [ROUNDS]

PROGRAM is a release build. Everything is made in a temporary directory, with openssl; GNU time measures. Ends with 1 where a run takes more than 15 ms
(median) or 6 MiB, is not good, or writes.
"""
import os, statistics, subprocess, sys, tempfile, time

TARGETS = 200
MOST_MS, MOST_KIB = 15.0, 6 * 1024


def made(root):
    """A CA, a certificate from it, and the configuration of all targets."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=root, check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-days", "900", "-subj", "/CN=Idle CA")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k.pem", "-out", "k.csr",
            "-subj", "/CN=localhost")
    with open(f"{root}/ext", "w") as ext:
        ext.write("subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\n")
    openssl("x509", "-req", "-in", "k.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "300", "-extfile", "ext",
            "-out", "c.pem")
    text = f'[defaults]\nstate_dir = "{root}/state"\nlive_dir = "{root}/live"\n'
    for index in range(TARGETS):
        os.mkdir(f"{root}/t{index}")
        text += (f'[[target]]\nname = "t{index}"\nkind = "files"\nnames = ["localhost"]\n'
                 f'certificate = "{root}/t{index}/c.pem"\nkey = "{root}/t{index}/k.pem"\n')
    with open(f"{root}/reseal.toml", "w") as config:
        config.write(text)


def marks(root):
    """Every file with all that a write would change."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names + ["."]:
            seen = os.lstat(os.path.join(folder, name))
            found[os.path.join(folder, name)] = (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    return found


def milliseconds(argv, given):
    """What one run takes, and its exit code. Nothing is between it and this."""
    reading, writing = os.pipe()
    os.write(writing, given)
    os.close(writing)
    quiet = [(os.POSIX_SPAWN_DUP2, reading, 0)] + [(os.POSIX_SPAWN_OPEN, to, "/dev/null", os.O_WRONLY, 0) for to in (1, 2)]
    began = time.perf_counter()
    child = os.posix_spawn(argv[0], argv, os.environ, file_actions=quiet)
    _, status = os.waitpid(child, 0)
    took = (time.perf_counter() - began) * 1000
    os.close(reading)
    return took, os.waitstatus_to_exitcode(status)


def peak(argv, given):
    """The most memory that one run has, in KiB. Started by GNU time, for a child begins with the memory of its parent."""
    ended = subprocess.run(["/usr/bin/time", "-f", "%M", *argv], input=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return int(ended.stderr.split()[-1])


def main():
    program, rounds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 21
    good = True
    with tempfile.TemporaryDirectory() as root:
        made(root)
        base = [program, "--config", f"{root}/reseal.toml"]
        for index in range(TARGETS):
            subprocess.run([*base, "install", f"t{index}", "--cert", f"{root}/c.pem", "--key", f"{root}/k.pem"], check=True, capture_output=True)
        print(f"{TARGETS} targets, {rounds} rounds      median ms   least ms   peak KiB   written")
        # What apt's hook gets of an upgrade that reaches no target.
        archive = b"/var/cache/apt/archives/other_1.0_all.deb\n"
        for words, given in ((["--version"], b""), (["renew"], b""), (["maintain"], b""), (["post-upgrade"], b""),
                             (["hook", "fire", "before", "--packages"], archive)):
            argv = [*base, *words]
            milliseconds(argv, given)  # `maintain` writes twice a day that it has run
            before = marks(root)
            runs = [milliseconds(argv, given) for _ in range(rounds)]
            kib = max(peak(argv, given) for _ in range(5))
            written = marks(root) != before
            ms = statistics.median(took for took, _ in runs)
            well = ms <= MOST_MS and kib <= MOST_KIB and not written and all(code == 0 for _, code in runs)
            good &= well
            print(f"{' '.join(words):<28}{ms:>10.1f}{min(took for took, _ in runs):>11.1f}{kib:>11}   {'yes' if written else 'no'}"
                  f"{'' if well else '   over the limit'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
