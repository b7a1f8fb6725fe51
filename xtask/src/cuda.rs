//! `cargo xtask check-cuda`: whether Lantern compiles for CUDA, also on a machine without a GPU and without the toolkit.
//!
//! candle's device code is compiled by `nvcc`. Where there is none, it comes with its headers in Python packages, 160 MB,
//! into the cache folder. They suffice to compile and not to link: running wants the toolkit and a driver.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::python;
use crate::shell::{cache, cargo, command, note, run, step, works};

/// The compiler, what it calls, and the headers that candle's device code includes.
const TOOLKIT: &[&str] = &[
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-cccl==13.0.85",
    "nvidia-curand==10.4.0.35",
];

/// Devices from 2020 on; without a device to ask, the build has to be told.
const COMPUTE_CAPABILITY: &str = "80";

/// Compiles the command line with the feature `cuda`, without linking it.
pub fn check() -> Result<ExitCode> {
    step("The CUDA compiler");
    let mut check = cargo();
    check.args(["check", "--package", "lantern-cli", "--features", "cuda"]);
    if works(command("nvcc").arg("--version")) {
        note("nvcc is installed");
    } else {
        let home = toolkit()?;
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let folders = [home.join("bin")].into_iter().chain(std::env::split_paths(&folders));
        check.env("PATH", std::env::join_paths(folders).context("PATH cannot be extended")?);
        check.env("CUDA_HOME", &home).env("CUDA_PATH", &home);
        if std::env::var_os("CUDA_COMPUTE_CAP").is_none() {
            check.env("CUDA_COMPUTE_CAP", COMPUTE_CAPABILITY);
        }
    }
    step("Lantern for CUDA: the first time takes ten minutes on two cores");
    run(&mut check)?;
    Ok(ExitCode::SUCCESS)
}

/// The folder of the compiler from Python packages.
fn toolkit() -> Result<PathBuf> {
    let folder = cache()?.join("cuda");
    let home = folder.join("nvidia/cu13");
    if works(command(home.join("bin/nvcc")).arg("--version")) {
        note("unchanged");
        return Ok(home);
    }
    let mut pip = command(python::environment()?);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--upgrade"]);
    run(pip.arg("--target").arg(&folder).args(TOOLKIT))
        .context("the compiler comes for Linux and Windows only; elsewhere install NVIDIA's toolkit")?;
    Ok(home)
}
