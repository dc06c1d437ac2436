//! File systems that hold no files: reading there asks the kernel, and may make it act.

/// Whether `statfs` tells one of them.
pub(super) fn is_the_kernels(kind: i64) -> bool {
    // linux/magic.h
    const PROC: i64 = 0x9fa0;
    const SYSFS: i64 = 0x6265_6572;
    const DEBUGFS: i64 = 0x6462_6720;
    const TRACEFS: i64 = 0x7472_6163;
    const SECURITYFS: i64 = 0x7363_6673;
    const CGROUP: i64 = 0x0027_e0eb;
    const CGROUP2: i64 = 0x6367_7270;
    const DEVPTS: i64 = 0x1cd1;
    const BPF: i64 = 0xcafe_4a11;
    const EFIVARFS: i64 = 0xde5e_81e4;
    const CONFIGFS: i64 = 0x6265_6570;
    const PSTORE: i64 = 0x6165_676c;
    const BINFMT: i64 = 0x4249_4e4d;
    const SELINUX: i64 = 0xf97c_ff8c;
    [
        PROC, SYSFS, DEBUGFS, TRACEFS, SECURITYFS, CGROUP, CGROUP2, DEVPTS, BPF, EFIVARFS, CONFIGFS, PSTORE, BINFMT,
        SELINUX,
    ]
    .contains(&(kind & 0xffff_ffff))
}
