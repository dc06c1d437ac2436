//! The program `reseal`.

use std::process::ExitCode;

fn main() -> ExitCode {
    reseal::cli::run()
}
