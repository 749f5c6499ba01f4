//! What there is to run on, and what would be taken of it.

use crate::ops::n_threads;

/// A device, whether it would be taken, and why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceReport {
    /// Display name: `CPU`, `NVIDIA H200`.
    pub name: String,
    /// What it can do, each a name and a value.
    pub details: Vec<(String, String)>,
    /// Whether it is taken where nothing else is asked for.
    pub by_itself: bool,
    /// One sentence why not; none where it is taken.
    pub why_not_by_itself: Option<String>,
    /// Whether it is taken where a graphics processor is asked for.
    pub by_gpu: bool,
    /// One sentence why not; none where it is taken.
    pub why_not_by_gpu: Option<String>,
}

/// Graphics processors in the order of preference, then the CPU.
#[must_use]
pub fn device_reports() -> Vec<DeviceReport> {
    let mut out = graphics();
    let is_last_resort = !out.iter().any(|it| it.by_itself);
    out.push(DeviceReport {
        name: "CPU".to_owned(),
        details: vec![("threads".to_owned(), n_threads().to_string())],
        by_itself: is_last_resort,
        why_not_by_itself: None,
        by_gpu: false,
        why_not_by_gpu: Some("no graphics processor".to_owned()),
    });
    out
}

#[cfg(not(feature = "gpu"))]
fn graphics() -> Vec<DeviceReport> {
    Vec::new()
}

#[cfg(feature = "gpu")]
fn graphics() -> Vec<DeviceReport> {
    use crate::ops::{AdapterChoice, list_adapters, why_not_adapter};

    let mut out: Vec<DeviceReport> = Vec::new();
    for facts in list_adapters() {
        let why_not_by_itself = why_not_adapter(&facts, AdapterChoice::Hardware);
        let why_not_by_gpu = why_not_adapter(&facts, AdapterChoice::Any);
        out.push(DeviceReport {
            name: facts.name.clone(),
            details: facts.details(),
            by_itself: why_not_by_itself.is_none() && !out.iter().any(|it| it.by_itself),
            by_gpu: why_not_by_gpu.is_none() && !out.iter().any(|it| it.by_gpu),
            why_not_by_itself,
            why_not_by_gpu,
        });
    }
    out
}
