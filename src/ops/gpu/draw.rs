//! Tokens drawn among those that top-k, top-p and min-p leave.
//! The kernel is `kernels/draw.wgsl`, the reference `src/ops/cpu/draw.rs`.
//!
//! The CPU and the kernels draw the same token wherever the best two scores after noise differ by more
//! than 1e-3 and no filter's edge lies within rounding: for top-p a sum of masses within 1e-6 of the
//! mass to reach, for min-p a share within 1e-6 of the least. Top-k is exact.

use super::{
    device::Gpu,
    logits::{Params, Rows},
    memory::Slice,
    pipeline::Bind,
    record::Launch,
};
use crate::ops::Ask;
use crate::spec::Sampling;

/// Words of what one row's levels tally: levels, pieces, bins.
const TALLY_WORDS: usize = N_LEVELS * N_PIECES * N_BINS;
const N_LEVELS: usize = 7;
const N_PIECES: usize = 5;
const N_BINS: usize = 256;
/// Words of what is known of a row's threshold at one place, and those places.
const SIEVE_WORDS: usize = 6;
const N_SIEVES: usize = 8;
/// Words of what one chunk comes to after noise.
const NOISED_WORDS: usize = 5;

/// Whether filters leave out anything: with noise, and one of them on.
pub fn is_filtered(sampling: &Sampling, n_drawable: u32) -> bool {
    sampling.temperature.0 != 0.0 && (n_levels(sampling, n_drawable) > 0 || sampling.min_p.0 > 0.0)
}

/// Radix-select passes: 0, 4 or 7.
fn n_levels(sampling: &Sampling, n_drawable: u32) -> u32 {
    let has_top_k = sampling.top_k > 0 && sampling.top_k < n_drawable;
    match (has_top_k, sampling.top_p.0 < 1.0) {
        (false, false) => 0,
        (true, true) => N_LEVELS as u32,
        _ => 4,
    }
}

/// The ids drawn among what filters leave: `[asks]`, unknown for those without filters. Nothing is done
/// where no ask has any.
pub fn draw(gpu: &Gpu, rows: &Rows<'_>, asks: &[Ask<'_>], scanned: &Slice) -> Slice {
    let out = rows.scratch(gpu, 1);
    let n_drawable = rows.params.n_drawable;
    let filters = asks.iter().filter_map(|it| it.sampling);
    let filters = filters.filter(|it| is_filtered(it, n_drawable));
    let Some(n_levels) = filters.map(|it| n_levels(it, n_drawable)).max() else {
        return out;
    };
    let tallies = rows.scratch(gpu, TALLY_WORDS);
    let sieves = rows.scratch(gpu, N_SIEVES * SIEVE_WORDS);
    let noised = rows.scratch(gpu, NOISED_WORDS * rows.params.n_chunks as usize);
    let read = [Bind::Read(rows.logits), Bind::Read(&rows.table)];
    let sieve = [Bind::Write(&tallies), Bind::Write(&sieves)];
    let launch = |entry, more: &[Bind<'_>], grid, params: &Params| {
        let binds = [&read, &sieve, more].concat();
        gpu.launch(&Launch::plain("draw", entry, &binds, grid), params);
    };
    let by_row = [rows.n_asks, 1, 1];
    let by_chunk = [rows.params.n_chunks, rows.n_asks, 1];
    launch("begin", &[Bind::Read(scanned)], by_row, &rows.params);
    for level in 0..n_levels {
        let params = Params {
            level,
            ..rows.params
        };
        launch("sieve", &[], by_chunk, &params);
    }
    launch("noise", &[Bind::Write(&noised)], by_chunk, &rows.params);
    let pick = [Bind::Read(&noised), Bind::Write(&out)];
    launch("pick", &pick, by_row, &rows.params);
    out
}
