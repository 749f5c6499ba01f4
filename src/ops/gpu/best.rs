//! Lists of a row's likeliest tokens, chunk by chunk.
//! The kernel is `kernels/best.wgsl`, the reference `src/ops/cpu/best.rs`.

use super::{device::Gpu, logits::Rows, memory::Slice, pipeline::Bind, record::Launch};
use crate::trace::N_TOP;

/// The best of each chunk chosen: key and id, `[asks, N_TOP, N_TOP, 2]`.
pub fn best(gpu: &Gpu, rows: &Rows<'_>, chosen: &Slice) -> Slice {
    let out = rows.scratch(gpu, N_TOP * N_TOP * 2);
    let n_chosen = rows.params.n_chunks.min(N_TOP as u32);
    let n_bytes = 4 * u64::from(n_chosen.saturating_mul(rows.params.chunk) * rows.n_asks);
    let binds = [
        Bind::ReadSome(rows.logits, n_bytes.min(rows.logits.n_bytes)),
        Bind::Read(&rows.table),
        Bind::Read(chosen),
        Bind::Write(&out),
    ];
    let grid = [n_chosen, rows.n_asks, 1];
    gpu.launch(&Launch::plain("best", "best", &binds, grid), &rows.params);
    out
}
