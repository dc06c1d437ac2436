#!/usr/bin/env python3
"""Finds out which functions an ordinary run calls, and writes the linker script that puts them side by side.

    cargo rustc --locked --release --bin reseal --target-dir target/order -- -C strip=none
    packaging/order/trace.py target/order/release/reseal

The program has some 14,000 functions, of which a run calls about one in twenty-five. The kernel maps a program in pieces of 64 KiB and more:
scattered as the compiler leaves them, those few touch nearly all pieces, and each counts as memory of the process. Side by side they
touch a tenth (docs/packages.md has the figures). What the script names and the program has no more is passed over; so it need
not be made anew with each change, but before a release, with another compiler, and when `benches/idle.py` finds more memory used.

Linux on x86-64. Every function gets a breakpoint, which is taken away where it is met.
"""
import collections, ctypes, os, pathlib, re, signal, struct, subprocess, sys, tempfile

SCRIPT = pathlib.Path(__file__).with_name("run.ld")

# What is run, by kind. What several kinds have in common lies between them.
FILES = ["check {root}/c.pem", "check {root}/self.pem", "check {root}/r.pem", "scan {root}/files", "--format jsonl scan {root}/files"]
IDLE = ["renew", "maintain", "maintain", "post-upgrade", "hook fire before --packages", "--version"]
TARGETS = ["check", "status", "--format json check"]

# So that what each kind calls lies in one piece.
ORDER = [("files",), ("files", "targets"), ("files", "idle"), ("files", "idle", "targets"), ("idle", "targets"), ("idle",), ("targets",)]

# The places of what is in no section of its own: the beginning of every program, and what aws-lc has in assembler.
WHOLE = ["*crt1.o", "*crtbegin*.o", "*crti.o", "*crtn.o", "*p256-x86_64-asm.o", "*p256_beeu-x86_64-asm.o", "*sha256-x86_64.o", "*x86_64-mont.o"]

TRACEME, CONT, GETREGS, SETREGS, SETOPTIONS = 0, 7, 12, 13, 0x4200
TRACECLONE, EXITKILL, ALL_CHILDREN, RIP = 8, 0x100000, 0x40000000, 16
INT3 = 0xCC

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def functions(program):
    """Every function: where it begins, its names, its size."""
    found = {}
    for line in subprocess.run(["readelf", "-sW", program], check=True, capture_output=True, text=True).stdout.splitlines():
        parts = line.split()
        if len(parts) == 8 and parts[3] == "FUNC" and parts[6] != "UND" and int(parts[2], 0) > 0:
            names, size = found.setdefault(int(parts[1], 16), ([], int(parts[2], 0)))
            names.append(parts[7])
    return found


def called(program, words, known):
    """Where the functions begin that one run calls."""
    child = os.fork()
    if child == 0:
        libc.ptrace(TRACEME, 0, 0, 0)
        nothing = os.open("/dev/null", os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        os.execv(program, [program, *words])
    os.waitpid(child, 0)
    libc.ptrace(SETOPTIONS, child, 0, TRACECLONE | EXITKILL)
    with open(f"/proc/{child}/maps") as maps:
        base = int(maps.readline().split("-")[0], 16)
    memory = os.open(f"/proc/{child}/mem", os.O_RDWR)
    low, high = min(known), max(known) + 1
    whole = os.pread(memory, high - low, base + low)
    broken = bytearray(whole)
    for at in known:
        broken[at - low] = INT3
    os.pwrite(memory, bytes(broken), base + low)

    met, registers = set(), ctypes.create_string_buffer(27 * 8)
    libc.ptrace(CONT, child, 0, 0)
    while True:
        try:
            thread, status = os.waitpid(-1, ALL_CHILDREN)
        except ChildProcessError:
            break
        if os.WIFSIGNALED(status):
            sys.exit(f"{' '.join(words)}: ended by signal {os.WTERMSIG(status)}")
        if os.WIFEXITED(status):
            continue
        signalled, passed_on = os.WSTOPSIG(status), 0
        if signalled == signal.SIGTRAP and status >> 16 == 0:
            libc.ptrace(GETREGS, thread, 0, ctypes.addressof(registers))
            at = struct.unpack_from("Q", registers, RIP * 8)[0] - 1
            if at - base in known:
                os.pwrite(memory, whole[at - base - low:][:1], at)
                met.add(at - base)
                struct.pack_into("Q", registers, RIP * 8, at)
                libc.ptrace(SETREGS, thread, 0, ctypes.addressof(registers))
        elif signalled not in (signal.SIGTRAP, signal.SIGSTOP):
            passed_on = signalled
        libc.ptrace(CONT, thread, 0, passed_on)
    os.close(memory)
    return met


def pattern(name):
    """The name without what another compiler, another version or another setting would make different."""
    name = re.sub(r"\.(llvm|localalias|cold|part|isra|constprop)\b.*", "", name)
    name = re.sub(r"17h[0-9a-f]{16}E$", "17h*", name)
    if name.startswith("_R"):
        name = re.sub(r"Cs[0-9A-Za-z]{8,12}_", "Cs*_", name) + "*"
    return re.sub(r"^aws_lc_\d+_\d+_\d+_", "aws_lc_*_", name)


def ground(root, program):
    """Certificates, and three targets whose certificates are installed."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=root, check=True, capture_output=True)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "900", "-subj", "/CN=Root")
    openssl("req", "-x509", *curve, "-keyout", "self.key", "-out", "self.pem", "-days", "90", *name)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "r.key", "-out", "r.pem", "-days", "90", *name)
    openssl("req", *curve, "-keyout", "k.pem", "-out", "k.csr", *name)
    openssl("x509", "-req", "-in", "k.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "300",
            "-copy_extensions", "copy", "-out", "c.pem")
    os.mkdir(f"{root}/files")
    for file in ("c.pem", "self.pem", "r.pem", "k.pem"):
        os.link(f"{root}/{file}", f"{root}/files/{file}")
    openssl("x509", "-in", "c.pem", "-outform", "DER", "-out", "files/c.der")
    text = f'[defaults]\nstate_dir = "{root}/state"\nlive_dir = "{root}/live"\n'
    for index in range(3):
        os.mkdir(f"{root}/t{index}")
        text += (f'[[target]]\nname = "t{index}"\nkind = "files"\nnames = ["localhost"]\n'
                 f'certificate = "{root}/t{index}/c.pem"\nkey = "{root}/t{index}/k.pem"\n')
    pathlib.Path(f"{root}/reseal.toml").write_text(text)
    base = ["--config", f"{root}/reseal.toml"]
    for index in range(3):
        subprocess.run([program, *base, "install", f"t{index}", "--cert", f"{root}/c.pem", "--key", f"{root}/k.pem"], check=True,
                       capture_output=True)
    return base


def main():
    program = os.path.abspath(sys.argv[1])
    known = functions(program)
    if len(known) < 1000:
        sys.exit(f"{program} has {len(known)} named functions: it is to be built with `-C strip=none`")
    kinds = collections.defaultdict(set)  # of each function
    with tempfile.TemporaryDirectory() as root:
        base = ground(root, program)
        for kind, lines in (("files", FILES), ("idle", IDLE), ("targets", TARGETS)):
            for line in lines:
                for at in called(program, [*base, *line.format(root=root).split()], known):
                    kinds[at].add(kind)

    called_by, all_by, sizes = collections.defaultdict(list), collections.Counter(), collections.Counter()
    for at, (names, size) in known.items():
        for one in {pattern(name) for name in names}:
            all_by[one] += 1
            sizes[one] += size
            if at in kinds:
                called_by[one].append(at)

    # A function for every type has one pattern for all its copies. Where not all are called, those that are have their whole names as well:
    # another compiler calls them otherwise, and then the pattern brings in all, in a place of its own.
    groups, others = collections.defaultdict(set), set()
    for one, places in called_by.items():
        its = frozenset().union(*(kinds[at] for at in places))
        if len(places) == all_by[one]:
            groups[its].add(one)
            continue
        for at in places:
            groups[frozenset(kinds[at])] |= {re.sub(r"\.llvm\..*", ".llvm.*", name) for name in known[at][0] if pattern(name) == one}
        if sizes[one] <= 40 * sum(known[at][1] for at in places) + 60_000:
            others.add(one)
    lines = [f"/* Written by {pathlib.Path(__file__).name}: what an ordinary run calls, side by side. */", "SECTIONS", "{", "  .text.run :", "  {",
             f"    {' '.join(f'{file}(.text .text.*)' for file in WHOLE)}"]
    for group in filter(None, [*(groups[frozenset(kinds)] for kinds in ORDER), others]):
        lines += ["    *(", *(f"      .text*.{one}" for one in sorted(group)), "    )"]
    lines += ["  }", "}", "INSERT BEFORE .text;", ""]
    SCRIPT.write_text("\n".join(lines))
    print(f"{len(kinds)} of {len(known)} functions are called: {sum(known[at][1] for at in kinds) // 1024} KiB; {SCRIPT}")


if __name__ == "__main__":
    main()
