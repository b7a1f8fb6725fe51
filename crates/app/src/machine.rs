//! What this computer has for running models. Asks the system, and nobody else.

use lantern_hub::{FreeSpace, default_cache_dir};
use lantern_models::devices;
use lantern_protocol::{Machine, MachineDevice};
use sysinfo::{CpuRefreshKind, RefreshKind, System};

/// Looks at processor, memory, disk and graphics. Takes some milliseconds; with a graphics driver, up to a second.
pub fn machine() -> Machine {
    let mut system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()));
    system.refresh_memory();
    let name = system.cpus().first().map(|cpu| cpu.brand().trim().to_owned());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = System::physical_core_count().unwrap_or(threads);
    let (devices, no_device) = match devices::devices() {
        Ok(found) => (found.into_iter().map(device).collect(), None),
        Err(reason) => (Vec::new(), Some(reason)),
    };
    Machine {
        processor: name.filter(|name| !name.is_empty()).unwrap_or_else(|| "Unknown processor".into()),
        cores: u32::try_from(cores).unwrap_or(u32::MAX),
        instructions: lantern_kernels::isa().name().to_owned(),
        memory_bytes: system.total_memory(),
        available_bytes: lantern_engine::available_bytes(),
        free_disk_bytes: FreeSpace::default().available(&default_cache_dir()),
        devices,
        no_device,
    }
}

fn device(info: devices::DeviceInfo) -> MachineDevice {
    MachineDevice { kind: info.kind.into(), name: info.name, total_bytes: info.total_bytes }
}

#[cfg(test)]
mod tests {
    use super::machine;

    #[test]
    fn this_computer_has_what_every_computer_has() {
        let found = machine();
        assert!(found.cores >= 1 && !found.processor.is_empty() && !found.instructions.is_empty());
        assert!(found.memory_bytes > 0 && found.available_bytes <= found.memory_bytes);
        assert!(found.devices.is_empty() == found.no_device.is_some());
    }
}
