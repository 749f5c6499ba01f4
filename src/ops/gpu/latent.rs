//! Attention over latents. The kernel is `kernels/latent.wgsl`, the reference `src/ops/cpu/latent.rs`.

use bytemuck::{Pod, Zeroable};

use super::{
    attention::{
        LEAST_ROOM, LEAST_SPLIT, MAX_SPLIT_ROWS, N_SPLITS, PARTIAL_BYTES, Piece, Run, portions,
        runs,
    },
    cache::{BlockRows, GpuCache, KvBlock, KvSpan},
    device::Gpu,
    heads::per_head,
    memory::Slice,
    pipeline::Bind,
    record::{Launch, MAX_GROUPS},
    tensor::GpuTensor,
    weight::GpuWeight,
};
use crate::ops::cpu::{
    heads::HeadCols,
    latent::{keys_of, values_of},
    rope::Rope,
};
use crate::ops::{BatchSpan, DeviceError, LatentUps, LatentWeights};
use crate::spec::{MlaSpec, RopeLayout};

/// Widest row of a cache of latents there is room for in a workgroup.
pub const MAX_LATENT: usize = 1024;

/// Queries of a workgroup.
const TILE: usize = 32;
/// Lanes side by side on the quads of a latent.
const MAX_COLUMNS: usize = 32;

/// Mirrors `Params` of the kernel.
#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Params {
    row: u32,
    n_rows: u32,
    position: u32,
    store_at: u32,
    n_heads: u32,
    kv_lora: u32,
    nope_dim: u32,
    rope_dim: u32,
    n_pairs: u32,
    is_interleaved: u32,
    eps: f32,
    room: u32,
    block_first: u32,
    block_end: u32,
    scale: f32,
    base_first: u32,
    base_n: u32,
    base_at: u32,
    n_chosen: u32,
    n_columns: u32,
    least_split: u32,
    most_split: u32,
    n_splits: u32,
    split_room: u32,
    partial_row: u32,
    stats_at: u32,
    slot_first: u32,
    n_slots: u32,
}

const _: () = assert!(size_of::<Params>() == 112);

/// Numbers a position takes in the cache: whole quads.
pub fn row_room(spec: &MlaSpec) -> usize {
    spec.width().next_multiple_of(4)
}

/// What does not depend on the rows.
fn params_of(spec: &MlaSpec, rope: Option<&Rope>) -> Params {
    Params {
        n_heads: spec.n_heads as u32,
        kv_lora: spec.kv_lora as u32,
        nope_dim: spec.nope_dim as u32,
        rope_dim: spec.rope_dim as u32,
        n_pairs: rope.map_or(0, Rope::n_pairs) as u32,
        is_interleaved: u32::from(rope.map(Rope::layout) == Some(RopeLayout::Interleaved)),
        eps: spec.lora_eps,
        room: row_room(spec) as u32,
        scale: spec.scale,
        n_columns: kv_quads(spec).next_power_of_two().min(MAX_COLUMNS) as u32,
        least_split: 1,
        most_split: 1,
        n_splits: N_SPLITS as u32,
        ..Params::default()
    }
}

/// Quads of a latent.
fn kv_quads(spec: &MlaSpec) -> usize {
    spec.kv_lora.div_ceil(4)
}

/// Norms latents, rotates the keys beside them and writes both behind the rows of the caches; brings queries to the space
/// of the latents: `[T, heads · (kv_lora + rope_dim)]`.
///
/// # Errors
/// The device has no memory for longer caches; they are then as they were.
pub fn queries(
    gpu: &Gpu,
    [q, down]: [&GpuTensor; 2],
    weights: &LatentWeights<GpuWeight>,
    spec: &MlaSpec,
    rope: Option<&Rope>,
    spans: &[BatchSpan<'_>],
    caches: &mut [&mut GpuCache],
) -> Result<GpuTensor, DeviceError> {
    for (span, cache) in spans.iter().zip(caches.iter_mut()) {
        cache.set_width(gpu, row_room(spec));
        cache.reserve(gpu, cache.len() + span.rows.len())?;
    }
    let out = gpu.tensor(q.rows, spec.n_heads * spec.width());
    let from = HeadCols {
        step: spec.q_dim(),
        n: spec.nope_dim,
    };
    let to = HeadCols {
        step: spec.width(),
        n: spec.kv_lora,
    };
    let (weight, rows, side) = keys_of(&weights.ups, spec);
    per_head(gpu, (q, from), weight, rows, side, (&out, to));
    let angles = match rope {
        Some(_) => gpu.table(rope, spans),
        None => down.slice.clone(),
    };
    let params = params_of(spec, rope);
    for (span, cache) in spans.iter().zip(caches.iter_mut()) {
        let mut row = span.rows.start;
        for it in cache.kv_spans(span.rows.len(), MAX_GROUPS as usize) {
            let Some(own) = cache.blocks()[it.block].own() else {
                continue;
            };
            let angles = match rope {
                Some(_) => Bind::Read(&angles),
                None => Bind::Unused(&angles),
            };
            let turned = (4 * it.n * spec.n_heads * spec.rope_dim) as u64;
            let binds = [
                Bind::ReadSome(&down.slice, (4 * it.n * down.cols) as u64),
                Bind::Read(&weights.norm.vector),
                angles,
                Bind::ReadSome(&q.slice, turned),
                Bind::WriteSome(&out.slice, turned),
                Bind::WriteSome(&own.keys, (4 * it.n * row_room(spec)) as u64),
            ];
            store(gpu, &binds, row, it, params);
            row += it.n;
        }
        cache.grow(span.rows.len());
    }
    Ok(out)
}

/// Rows of the batch from `row` on, whose latents go to one span of rows of the cache.
fn store(gpu: &Gpu, binds: &[Bind<'_>], row: usize, to: KvSpan, params: Params) {
    let launch = Launch::plain("latent", "store", binds, [to.n as u32, 1, 1]);
    let params = Params {
        row: row as u32,
        store_at: to.at as u32,
        ..params
    };
    gpu.launch(&launch, &params);
}

/// Softmax attention of each row over the latents of its own sequence: `[T, heads · v_dim]`.
///
/// A row of a short span is cut into splits of what it sees, by that alone, so that its numbers do not depend on the batch;
/// of longer spans 32 queries are taken at a time, of all heads and rows one behind the other.
///
/// * `chosen`: `[T, P]`, the positions each row sees, −1 behind the last; none sees all
pub fn attend(
    gpu: &Gpu,
    of: (&GpuTensor, Option<&GpuTensor>),
    ups: &LatentUps<GpuWeight>,
    spec: &MlaSpec,
    spans: &[BatchSpan<'_>],
    caches: &[&mut GpuCache],
) -> GpuTensor {
    attend_within(gpu, of, ups, spec, spans, caches, PARTIAL_BYTES)
}

/// The same with so many bytes of partial results at once.
fn attend_within(
    gpu: &Gpu,
    (queries, chosen): (&GpuTensor, Option<&GpuTensor>),
    ups: &LatentUps<GpuWeight>,
    spec: &MlaSpec,
    spans: &[BatchSpan<'_>],
    caches: &[&mut GpuCache],
    partial_bytes: usize,
) -> GpuTensor {
    debug_assert!(row_room(spec) <= MAX_LATENT);
    let attention = Attention {
        gpu,
        queries,
        chosen,
        mixed: gpu.tensor(queries.rows, spec.n_heads * spec.kv_lora),
        spec,
        partial_bytes,
    };
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for (span, cache) in spans.iter().zip(caches) {
        if span.rows.len() <= MAX_SPLIT_ROWS {
            few.push((span, &**cache));
        } else if cache.blocks().len() == 1 && chosen.is_none() {
            attention.tiles(span, &cache.blocks()[0]);
        } else {
            many.push((span, &**cache));
        }
    }
    attention.in_splits(spans, &few, LEAST_SPLIT);
    attention.in_splits(spans, &many, usize::MAX);
    let out = gpu.tensor(queries.rows, spec.n_heads * spec.v_dim);
    let from = HeadCols {
        step: spec.kv_lora,
        n: spec.kv_lora,
    };
    let to = HeadCols {
        step: spec.v_dim,
        n: spec.v_dim,
    };
    let (weight, rows) = values_of(ups, spec);
    per_head(
        gpu,
        (&attention.mixed, from),
        weight,
        rows,
        crate::ops::cpu::heads::Side::Rows,
        (&out, to),
    );
    out
}

/// What all dispatches of one operation share.
struct Attention<'a> {
    gpu: &'a Gpu,
    queries: &'a GpuTensor,
    chosen: Option<&'a GpuTensor>,
    mixed: GpuTensor,
    spec: &'a MlaSpec,
    partial_bytes: usize,
}

/// Where partial results of some rows are, and how rows are cut.
struct Partials {
    slice: Slice,
    split_room: usize,
    stats_at: usize,
    /// Positions of a split where few are seen.
    least: usize,
}

impl Attention<'_> {
    /// Rows of one span over all that they see.
    fn tiles(&self, span: &BatchSpan<'_>, block: &KvBlock) {
        let Some(block) = block.for_kernel() else {
            return;
        };
        let per_dispatch = (MAX_GROUPS as usize * TILE / self.spec.n_heads).max(1);
        let mut row = span.rows.start;
        while row < span.rows.end {
            let n_rows = (span.rows.end - row).min(per_dispatch);
            let n_tiles = (n_rows * self.spec.n_heads).div_ceil(TILE);
            let params = Params {
                row: row as u32,
                n_rows: n_rows as u32,
                position: (span.start.idx() + row - span.rows.start) as u32,
                block_end: u32::MAX,
                ..params_of(self.spec, None)
            };
            let grid = [n_tiles as u32, 1, 1];
            self.attend(true, &self.mixed.slice, &block, grid, params);
            row += n_rows;
        }
    }

    /// Rows of some spans in splits of at least so many positions, in portions whose partial results are not too many.
    fn in_splits(
        &self,
        spans: &[BatchSpan<'_>],
        split: &[(&BatchSpan<'_>, &GpuCache)],
        least: usize,
    ) {
        let n_slots = split.iter().map(|it| self.most_slots(it.0, it.1, least));
        let Some(most) = n_slots.max() else { return };
        let split_room = most.max(LEAST_ROOM).next_power_of_two();
        let row_bytes = self.spec.n_heads * split_room * (self.spec.kv_lora + 2) * 4;
        let per_portion = (self.partial_bytes / row_bytes).clamp(1, MAX_GROUPS as usize);
        for portion in portions(split, per_portion) {
            let n_rows: usize = portion.iter().map(|it| it.rows.len()).sum();
            let partials = Partials {
                slice: self.gpu.memory.scratch((n_rows * row_bytes) as u64),
                split_room,
                stats_at: n_rows * self.spec.n_heads * split_room * self.spec.kv_lora,
                least,
            };
            for piece in &portion {
                self.split(piece, most, &partials);
            }
            for run in runs(&portion) {
                self.combine(spans, &run, most, &partials);
            }
        }
    }

    /// One dispatch a block of the cache, nearly always one.
    fn split(&self, piece: &Piece<'_>, most: usize, partials: &Partials) {
        let per_block = piece.cache.per_block();
        let per_chosen = self.chosen_splits(per_block, partials.least);
        for (first, block) in piece.cache.for_kernel() {
            let params = Params {
                row: piece.rows.start as u32,
                n_rows: piece.rows.len() as u32,
                position: piece.position as u32,
                block_first: first as u32,
                block_end: u32::try_from(first.saturating_add(per_block)).unwrap_or(u32::MAX),
                partial_row: piece.partial_row as u32,
                slot_first: (first / per_block * per_chosen.unwrap_or(0)) as u32,
                ..self.split_params(per_block, partials)
            };
            let n_tiles = self.spec.n_heads.div_ceil(TILE);
            let n_splits = per_chosen.unwrap_or(most);
            let grid = [n_tiles as u32, n_splits as u32, piece.rows.len() as u32];
            self.attend(false, &partials.slice, &block, grid, params);
        }
    }

    fn attend(
        &self,
        is_flat: bool,
        out: &Slice,
        block: &BlockRows<'_>,
        grid: [u32; 3],
        params: Params,
    ) {
        // Keys are their own values; what a tile reads again comes from caches.
        let n_rows = params.n_rows as usize;
        let last = params.position as usize + n_rows;
        let seen = match self.chosen {
            Some(it) => n_rows * it.cols.min(last),
            None if is_flat => last,
            None => (params.position as usize + 1..=last).sum(),
        };
        let seen = (4 * seen * row_room(self.spec)) as u64;
        let n_splits = if is_flat { 1 } else { grid[1] as usize };
        let width = self.spec.kv_lora + if is_flat { 0 } else { 2 };
        let written = (4 * n_rows * n_splits * self.spec.n_heads * width) as u64;
        let unused = Bind::Unused(&self.queries.slice);
        let binds = [
            Bind::ReadSome(&self.queries.slice, (4 * n_rows * self.queries.cols) as u64),
            Bind::ReadSome(&block.own.keys, seen.min(block.own.keys.n_bytes)),
            Bind::WriteSome(out, written),
            Bind::Unused(&block.base.keys),
            self.chosen.map_or(unused, |it| Bind::Read(&it.slice)),
        ];
        let launch = Launch {
            constants: &[
                (
                    "N_COLUMNS",
                    kv_quads(self.spec).div_ceil(MAX_COLUMNS) as f64,
                ),
                ("IS_FLAT", f64::from(u8::from(is_flat))),
            ],
            ..Launch::plain("latent", "attend", &binds, grid)
        };
        let params = Params {
            base_first: block.base_first,
            base_n: block.base_n,
            base_at: block.base_at,
            ..params
        };
        self.gpu.launch(&launch, &params);
    }

    fn combine(&self, spans: &[BatchSpan<'_>], run: &Run, most: usize, partials: &Partials) {
        let positions = self.gpu.table(None, spans);
        let read = 4 * run.rows.len() * most * self.spec.n_heads * (self.spec.kv_lora + 2);
        let binds = [
            Bind::ReadSome(&partials.slice, read as u64),
            Bind::Read(&positions),
            Bind::Write(&self.mixed.slice),
        ];
        let grid = [self.spec.n_heads as u32, run.rows.len() as u32, 1];
        let per_chosen = self.chosen_splits(run.per_block, partials.least);
        let params = Params {
            row: run.rows.start as u32,
            partial_row: run.partial_row as u32,
            n_slots: (run.n_blocks * per_chosen.unwrap_or(0)) as u32,
            ..self.split_params(run.per_block, partials)
        };
        let launch = Launch::plain("latent", "combine", &binds, grid);
        self.gpu.launch(&launch, &params);
    }

    fn split_params(&self, per_block: usize, partials: &Partials) -> Params {
        let number = |it: usize| u32::try_from(it).unwrap_or(1 << 31);
        Params {
            n_chosen: self.chosen.map_or(0, |it| it.cols as u32),
            least_split: number(partials.least.min(self.most_split(per_block))),
            most_split: number(self.most_split(per_block)),
            split_room: partials.split_room as u32,
            stats_at: partials.stats_at as u32,
            ..params_of(self.spec, None)
        }
    }

    /// Positions of a split at most: those of a block, or all that are chosen.
    fn most_split(&self, per_block: usize) -> usize {
        self.chosen.map_or(per_block, |it| it.cols.max(1))
    }

    /// Splits of a row in each block where positions are chosen.
    fn chosen_splits(&self, per_block: usize, least: usize) -> Option<usize> {
        let n = self.chosen?.cols;
        let length = split_length(n, least, self.most_split(per_block));
        Some(n.div_ceil(length))
    }

    /// Splits of the row of a span that has most of them.
    fn most_slots(&self, span: &BatchSpan<'_>, cache: &GpuCache, least: usize) -> usize {
        let per_block = cache.per_block();
        if let Some(each) = self.chosen_splits(per_block, least) {
            return each * cache.blocks().len();
        }
        let n = |n_seen: usize| n_seen.div_ceil(split_length(n_seen, least, per_block));
        let rows = span.positions().map(|(_, position)| n(position.idx() + 1));
        rows.max().unwrap_or(0)
    }
}

/// Positions of a split for a row that sees so many; as the kernel has it.
fn split_length(n_seen: usize, least: usize, most: usize) -> usize {
    let mut length = least.min(most);
    while length < most && n_seen > length * N_SPLITS {
        length *= 2;
    }
    length
}

#[cfg(test)]
#[path = "latent_tests.rs"]
mod tests;
