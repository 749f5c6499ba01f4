//! What is handed to a device, counted from the commands themselves: runs of each kernel, bytes, barriers.

use std::collections::HashMap;

use super::pipeline::Bind;
use crate::ops::{KernelPlan, StepPlan};

/// What one run of a kernel reads and writes.
#[derive(Debug)]
pub struct Traffic {
    weight_bytes: u64,
    read_bytes: u64,
    written_bytes: u64,
    /// Its buffers, and whether each is bound for writing.
    touched: Vec<(u64, bool)>,
}

impl Traffic {
    /// Of a kernel to run; its parameters, and tables of codes, are left out.
    pub fn of(binds: &[Bind<'_>], weight_bytes: u64) -> Self {
        let sum = |i: usize| binds.iter().map(|it| it.traffic()[i]).sum();
        Self {
            weight_bytes,
            read_bytes: sum(0),
            written_bytes: sum(1),
            touched: binds.iter().map(|it| it.touched()).collect(),
        }
    }
}

/// What was handed over since it was last asked for.
#[derive(Debug, Default)]
pub struct Notes {
    /// Whether anything is counted.
    pub is_on: bool,
    plan: StepPlan,
}

/// How a buffer was used last in a submit: written, or read.
#[derive(Debug, Default)]
pub struct Uses(HashMap<u64, bool>);

impl Uses {
    /// Whether the driver puts a barrier before a command that uses these buffers: one is written there or was
    /// written before, whole buffers at a time.
    fn next(&mut self, touched: impl IntoIterator<Item = (u64, bool)>) -> bool {
        let mut waits = false;
        for (id, is_written) in touched {
            let before = self.0.insert(id, is_written);
            waits |= before.is_some_and(|it| it || is_written);
        }
        waits
    }
}

impl Notes {
    /// Counts a kernel of a submit.
    pub fn kernel(&mut self, name: &str, traffic: &Traffic, uses: &mut Uses) {
        let waits = uses.next(traffic.touched.iter().copied());
        let kernel = self.plan.kernel(name);
        kernel.n += 1;
        kernel.n_barriers += u64::from(waits);
        kernel.weight_bytes += traffic.weight_bytes;
        kernel.read_bytes += traffic.read_bytes;
        kernel.written_bytes += traffic.written_bytes;
    }

    /// Counts a copy of a submit, from one buffer to another.
    pub fn copy(&mut self, [from, to]: [u64; 2], n_bytes: u64, uses: &mut Uses) {
        self.plan.n_copies += 1;
        self.plan.copied_bytes += n_bytes;
        self.plan.n_copy_barriers += u64::from(uses.next([(from, false), (to, true)]));
    }

    /// All of it, and begins anew.
    pub fn take(&mut self) -> StepPlan {
        std::mem::take(&mut self.plan)
    }
}

impl StepPlan {
    fn kernel(&mut self, name: &str) -> &mut KernelPlan {
        let known = self.kernels.iter().position(|it| it.name == name);
        let row = known.unwrap_or_else(|| {
            self.kernels.push(KernelPlan {
                name: name.to_owned(),
                ..KernelPlan::default()
            });
            self.kernels.len() - 1
        });
        &mut self.kernels[row]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Meter as _;
    use crate::ops::gpu::{pointwise, testing::gpus};

    #[test]
    fn a_barrier_stands_where_a_buffer_is_written_or_was() {
        let mut uses = Uses::default();
        for (touched, waits) in [
            (vec![(1, false), (2, true)], false),
            // Read after read.
            (vec![(1, false), (3, true)], false),
            // Read after written, written after read, written after written.
            (vec![(2, false), (4, true)], true),
            (vec![(1, true)], true),
            (vec![(4, true)], true),
            (vec![(5, false)], false),
        ] {
            assert_eq!(uses.next(touched.clone()), waits, "{touched:?}");
        }
    }

    #[test]
    fn what_a_kernel_reads_and_writes_is_counted_while_somebody_wants_to_know() {
        for gpu in gpus() {
            let x = gpu.tensor_from(&vec![1.0; 1 << 10], 1 << 10);
            let y = gpu.tensor_from(&vec![1.0; 1 << 10], 1 << 10);
            gpu.submit();
            pointwise::scale(&gpu, &x, 0.5, None);
            gpu.submit();
            assert_eq!(gpu.noted(), StepPlan::default());
            gpu.note_commands(true);
            pointwise::scale(&gpu, &x, 0.5, None);
            pointwise::add(&gpu, &x, &y, 2.0);
            gpu.submit();
            let plan = gpu.noted();
            let of = |name: &str, read_bytes, n_barriers| KernelPlan {
                name: name.to_owned(),
                n: 1,
                n_barriers,
                weight_bytes: 0,
                read_bytes,
                written_bytes: 4096,
            };
            let want = [of("pointwise.scale", 4096, 0), of("pointwise.add", 8192, 1)];
            assert_eq!(plan.kernels, want);
            assert_eq!(gpu.noted(), StepPlan::default());
        }
    }
}
