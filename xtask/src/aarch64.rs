//! `cargo xtask aarch64`: the kernels of another architecture, tested on processors that QEMU plays.
//!
//! Only what has code of its own for AArch64 is tested. A real machine of that kind runs all tests with `cargo xtask test`.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, command, note, output, run, step, works};
use crate::system;

const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Debian's names: a linker with the C library to link against, and the emulator.
const PACKAGES: &[&str] = &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "qemu-user"];

/// Where these packages put the C library.
const SYSROOT: &str = "/usr/aarch64-linux-gnu";

/// QEMU's processors, with the best family of kernels that each can run.
const PROCESSORS: [(&str, &str); 3] = [("cortex-a72", "neon"), ("cortex-a76", "dotprod"), ("max", "i8mm")];

/// Installs what is missing and runs the tests on each processor.
pub fn test() -> Result<ExitCode> {
    if cfg!(target_arch = "aarch64") {
        bail!("this machine is an AArch64 one: cargo xtask test tests its kernels");
    }
    install()?;
    for (processor, family) in PROCESSORS {
        step(&format!("The tests on a {processor}"));
        check(processor, family)?;
        let mut tests = on(processor, "test");
        tests.args(["--package", "lantern-gguf", "--package", "lantern-kernels", "--lib", "--tests"]);
        run(&mut tests)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn install() -> Result<()> {
    step("Rust's library, a linker and an emulator for AArch64");
    // Does nothing when it is there.
    run(command("rustup").args(["target", "add", TARGET]))
        .context("rustup brings Rust's library for AArch64")?;
    if works(command("dpkg-query").arg("--version")) {
        return system::install_packages(PACKAGES);
    }
    for program in ["aarch64-linux-gnu-gcc", "qemu-aarch64"] {
        if !works(command(program).arg("--version")) {
            bail!(
                "{program} is missing: a C compiler for AArch64 with its library in {SYSROOT}, and QEMU's user mode \
                 emulation are needed"
            );
        }
    }
    Ok(())
}

/// Makes sure that the kernels find on a processor what it is there for.
fn check(processor: &str, family: &str) -> Result<()> {
    let mut example = on(processor, "run");
    example.args(["--quiet", "--package", "lantern-kernels", "--example", "isa"]);
    let found = output(&mut example)?;
    note(&format!("families of kernels: {}", found.trim()));
    if found.split_whitespace().last() != Some(family) {
        bail!("the best family on QEMU's {processor} should be {family}: is this QEMU older than 7.2?");
    }
    Ok(())
}

/// `cargo VERB` for AArch64, whose programs run on a processor.
fn on(processor: &str, verb: &str) -> Command {
    let mut command = cargo();
    command
        .args([verb, "--target", TARGET])
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc")
        .env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
            format!("qemu-aarch64 -L {SYSROOT} -cpu {processor}"),
        );
    command
}
