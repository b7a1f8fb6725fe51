//! The devices this program can use beside the CPU, and what they have free.
//!
//! Which kinds are looked for is decided when the program is built: by the features `cuda` and `metal`. Whatever is wrong
//! with a device or its driver comes back in words, because a program that can compute on the CPU must go on.
//! (A program that was built for CUDA is linked to the driver's library, though, and does not start without it.)

use std::panic::{UnwindSafe, catch_unwind};

use candle_core::{Device, Tensor};

/// A device that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// `CUDA` or `Metal`.
    pub kind: &'static str,
    /// Its number among those of its kind.
    pub index: usize,
    /// What its maker calls it.
    pub name: String,
    /// Bytes of memory in all.
    pub total_bytes: u64,
    /// Bytes nobody uses at the moment.
    pub free_bytes: u64,
    /// Whether its memory is that of the host, so that what is given to one is missing from the other.
    pub shares_memory: bool,
}

/// What came of looking: devices, the best first, or why there is none.
type Found = Result<Vec<DeviceInfo>, String>;

/// All devices, the best first; or why there is none.
pub fn devices() -> Result<Vec<DeviceInfo>, String> {
    let looks: &[fn() -> Found] = &[
        #[cfg(feature = "cuda")]
        cuda::found,
        #[cfg(feature = "metal")]
        metal::found,
    ];
    let mut reasons = Vec::new();
    for &look in looks {
        match unpanicked(look) {
            Ok(found) if !found.is_empty() => return Ok(found),
            Ok(_) => {}
            Err(reason) => reasons.push(reason),
        }
    }
    match (looks, &*reasons) {
        ([], _) => Err("this build computes on the processor alone".to_owned()),
        (_, []) => Err("no device was found".to_owned()),
        (_, reasons) => Err(reasons.join("; ")),
    }
}

/// Makes a device ready and lets it compute something small, because a driver may know a device that this build's code
/// does not run on. What is wrong comes back in words.
pub fn open(info: &DeviceInfo) -> Result<Device, String> {
    let (kind, index) = (info.kind, info.index);
    unpanicked(move || {
        let device = match kind {
            "Metal" => Device::new_metal(index),
            _ => Device::new_cuda(index),
        };
        let sum = device.and_then(|device| {
            let numbers = Tensor::new(&[1f32, 2.0, 3.0], &device)?;
            Ok((numbers.sqr()?.sum_all()?.to_scalar::<f32>()?, device))
        });
        match sum {
            Ok((14.0, device)) => Ok(device),
            Ok((sum, _)) => Err(format!("it computes 1 + 4 + 9 as {sum}")),
            Err(error) => Err(error.to_string()),
        }
    })
}

/// Bindings to drivers may panic, for instance where a library lacks a function.
fn unpanicked<T>(look: impl FnOnce() -> Result<T, String> + UnwindSafe) -> Result<T, String> {
    catch_unwind(look).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words");
        Err(format!("its driver failed: {words}"))
    })
}

#[cfg(feature = "cuda")]
mod cuda {
    use candle_core::cuda_backend::cudarc::driver::sys::CUdevice_attribute;
    use candle_core::cuda_backend::cudarc::driver::{CudaContext, DriverError};

    use super::{DeviceInfo, Found};

    pub(super) fn found() -> Found {
        let words = |error: DriverError| format!("CUDA: {error}");
        let count = CudaContext::device_count().map_err(words)?;
        (0..count.max(0) as usize).map(|index| info(index).map_err(words)).collect()
    }

    fn info(index: usize) -> Result<DeviceInfo, DriverError> {
        let context = CudaContext::new(index)?;
        let (free, total) = context.mem_get_info()?;
        let integrated = context.attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_INTEGRATED)?;
        Ok(DeviceInfo {
            kind: "CUDA",
            index,
            name: context.name()?,
            total_bytes: total as u64,
            free_bytes: free as u64,
            shares_memory: integrated != 0,
        })
    }
}

#[cfg(feature = "metal")]
mod metal {
    use candle_core::Device;

    use super::{DeviceInfo, Found};

    /// The first device alone: Macs with several have had no successors.
    pub(super) fn found() -> Found {
        let device = Device::new_metal(0).map_err(|error| format!("Metal: {error}"))?;
        let device = device.as_metal_device().map_err(|error| format!("Metal: {error}"))?;
        let device = device.metal_device();
        // What the system lets a program keep on the device without pushing others out.
        let total = device.recommended_max_working_set_size() as u64;
        Ok(vec![DeviceInfo {
            kind: "Metal",
            index: 0,
            name: "GPU".to_owned(),
            total_bytes: total,
            free_bytes: total.saturating_sub(device.current_allocated_size() as u64),
            shares_memory: true,
        }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_for_devices_ends_with_devices_or_with_words() {
        match devices() {
            Ok(found) => assert!(found.iter().all(|info| info.free_bytes <= info.total_bytes), "{found:?}"),
            Err(reason) => assert!(reason.contains(' '), "{reason:?}"),
        }
    }

    #[test]
    fn a_device_that_this_build_cannot_use_is_told_in_words() {
        // Of every kind the hundredth, which no machine has.
        for kind in ["CUDA", "Metal"] {
            let name = "nobody's".to_owned();
            let info =
                DeviceInfo { kind, index: 99, name, total_bytes: 0, free_bytes: 0, shares_memory: false };
            let reason = open(&info).map(|_| ()).expect_err("there is none");
            assert!(!reason.is_empty(), "{kind}");
        }
    }

    #[test]
    fn a_driver_that_panics_is_told_in_words() {
        let reason = unpanicked::<()>(|| panic!("symbol {} is missing", "cuInit")).expect_err("it panics");
        assert!(reason.contains("symbol cuInit is missing"), "{reason}");
    }
}
