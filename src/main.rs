//! The `workroom` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    workroom::cli::main()
}
