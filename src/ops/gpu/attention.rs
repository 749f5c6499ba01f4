//! Attention over the caches. The kernel is `kernels/attention.wgsl`, the reference `src/ops/cpu/attention.rs`.
//!
//! A row of a short span is cut into splits of what it sees, by its position alone, so that its
//! numbers do not depend on the batch; longer spans are taken 32 rows at a time. Where every row has one split there is
//! nothing to put together, and no dispatch for it.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};

use super::{
    cache::{BlockRows, GpuCache, KvBlock},
    device::Gpu,
    memory::Slice,
    pipeline::Bind,
    record::{Launch, MAX_GROUPS},
    rope::head_room,
    tensor::GpuTensor,
    weight::GpuWeight,
};
use crate::ops::BatchSpan;
use crate::spec::{GqaSpec, KvMap, Mask};

/// Rows of a span up to which each is split over what it sees.
pub(super) const MAX_SPLIT_ROWS: usize = 8;
/// Positions of a split where few are seen; what a workgroup takes at once.
pub(super) const LEAST_SPLIT: usize = 64;
/// Splits of a row beyond which they grow.
pub(super) const N_SPLITS: usize = 128;
/// Splits there is always room for, so that memory does not grow with the first thousand positions.
pub(super) const LEAST_ROOM: usize = 16;
/// Bytes of partial results at once.
pub(super) const PARTIAL_BYTES: usize = 32 << 20;
/// Most query heads that share what a workgroup reads.
const MAX_SHARED: usize = 4;
/// Rows of a workgroup of `prefill`.
const TILE_ROWS: usize = 32;
/// Quads of a head a workgroup of `prefill` takes side by side.
const MAX_COLUMNS: usize = 32;
/// Widest head there is room for in a workgroup.
pub const MAX_HEAD_DIM: usize = 256;

/// `Params::mask`.
const ALL: u32 = 0;
const WINDOW: u32 = 1;
const CHUNK: u32 = 2;

/// Mirrors `Params` of the kernel.
#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Params {
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    v_dim: u32,
    is_tiled: u32,
    row: u32,
    n_rows: u32,
    position: u32,
    mask: u32,
    mask_n: u32,
    scale: f32,
    cap: f32,
    block_first: u32,
    block_end: u32,
    least_split: u32,
    most_split: u32,
    n_splits: u32,
    split_room: u32,
    partial_row: u32,
    stats_at: u32,
    n_columns: u32,
    has_sinks: u32,
    base_first: u32,
    base_n: u32,
    base_at: u32,
}

const _: () = assert!(size_of::<Params>() == 100);

impl Params {
    /// Over the rows of a block.
    fn over(self, block: &BlockRows<'_>) -> Self {
        Self {
            base_first: block.base_first,
            base_n: block.base_n,
            base_at: block.base_at,
            ..self
        }
    }
}

fn has_base(block: &BlockRows<'_>) -> f64 {
    f64::from(u8::from(block.base_n > 0))
}

/// Softmax attention of each row over its own sequence: `[T, heads · v_dim]`.
///
/// * `sinks`: `[heads]`, one logit more per head, which has no value
/// * `q`: `[T, heads · head_dim]`, rotated; a head has `MAX_HEAD_DIM` numbers at most
/// * `caches`: one per span, with the keys and values of the span's own rows
pub fn attend(
    gpu: &Gpu,
    q: &GpuTensor,
    sinks: Option<&GpuWeight>,
    spec: &GqaSpec,
    spans: &[BatchSpan<'_>],
    caches: &[&mut GpuCache],
) -> GpuTensor {
    attend_within(gpu, (q, sinks), spec, spans, caches, PARTIAL_BYTES)
}

/// The same with so many bytes of partial results at once.
pub(super) fn attend_within(
    gpu: &Gpu,
    (q, sinks): (&GpuTensor, Option<&GpuWeight>),
    spec: &GqaSpec,
    spans: &[BatchSpan<'_>],
    caches: &[&mut GpuCache],
    partial_bytes: usize,
) -> GpuTensor {
    attend_as(gpu, (q, sinks), spec, spans, caches, (partial_bytes, false))
}

/// The same; where `is_combined`, results of rows that have one split are put together too, which changes no bit of a number.
pub(super) fn attend_as(
    gpu: &Gpu,
    (q, sinks): (&GpuTensor, Option<&GpuWeight>),
    spec: &GqaSpec,
    spans: &[BatchSpan<'_>],
    caches: &[&mut GpuCache],
    (partial_bytes, is_combined): (usize, bool),
) -> GpuTensor {
    debug_assert!(spec.head_dim <= MAX_HEAD_DIM && spec.n_heads.is_multiple_of(spec.n_kv_heads));
    let attention = Attention {
        gpu,
        q,
        out: gpu.tensor(q.rows, spec.out_width()),
        sinks,
        spec,
        partial_bytes,
        is_combined,
    };
    let mut split = Vec::new();
    for (span, cache) in spans.iter().zip(caches) {
        if span.rows.len() > MAX_SPLIT_ROWS && cache.blocks().len() == 1 {
            attention.prefill(span, &cache.blocks()[0]);
        } else {
            split.push((span, &**cache));
        }
    }
    attention.decode(spans, &split);
    attention.out
}

/// Some rows of one span, and the row that their partial results begin at.
pub(super) struct Piece<'a> {
    pub(super) rows: Range<usize>,
    pub(super) position: usize,
    pub(super) partial_row: usize,
    pub(super) cache: &'a GpuCache,
}

/// Where partial results of some rows are.
struct Partials {
    slice: Slice,
    split_room: usize,
    stats_at: usize,
}

/// What all dispatches of one operation share.
struct Attention<'a> {
    gpu: &'a Gpu,
    q: &'a GpuTensor,
    out: GpuTensor,
    sinks: Option<&'a GpuWeight>,
    spec: &'a GqaSpec,
    partial_bytes: usize,
    /// Whether rows of one split are put together like others.
    is_combined: bool,
}

impl Attention<'_> {
    fn prefill(&self, span: &BatchSpan<'_>, block: &KvBlock) {
        let Some(block) = block.for_kernel() else {
            return;
        };
        // What a tile reads again comes from caches.
        let n_tiles = span.rows.len().div_ceil(TILE_ROWS);
        let end = span.start.idx() + span.rows.len();
        let seen = self.kv_bytes(end - first_seen(span.start.idx(), self.spec.mask));
        let kv = |it| Bind::ReadSome(it, seen);
        let binds = [
            Bind::ReadSome(&self.q.slice, row_bytes(self.q, span.rows.len())),
            kv(&block.own.keys),
            kv(&block.own.values),
            Bind::WriteSome(&self.out.slice, row_bytes(&self.out, span.rows.len())),
            self.sinks(),
            base(&block, &block.base.keys),
            base(&block, &block.base.values),
        ];
        let launch = Launch {
            constants: &[
                ("N_QUADS", self.n_quads() as f64),
                ("ROWS", TILE_ROWS as f64),
                ("HAS_BASE", has_base(&block)),
            ],
            ..Launch::plain(
                "attention",
                "prefill",
                &binds,
                [self.spec.n_heads as u32, n_tiles as u32, 1],
            )
        };
        let params = Params {
            row: span.rows.start as u32,
            n_rows: span.rows.len() as u32,
            position: span.start.0,
            n_columns: self.n_quads().next_power_of_two().min(MAX_COLUMNS) as u32,
            ..self.params(usize::MAX).over(&block)
        };
        self.gpu.launch(&launch, &params);
    }

    /// Rows in portions whose partial results are not too many.
    fn decode(&self, spans: &[BatchSpan<'_>], split: &[(&BatchSpan<'_>, &GpuCache)]) {
        let most = split
            .iter()
            .map(|(span, cache)| self.most_splits(span, cache.per_block()))
            .max();
        let Some(most) = most else { return };
        // But for windows of nothing every row sees itself, so none has fewer.
        if most == 1 && !self.is_combined && self.spec.mask != Mask::Window(0) {
            for piece in portions(split, MAX_GROUPS as usize).iter().flatten() {
                self.split(piece, most, None);
            }
            return;
        }
        let split_room = most.max(LEAST_ROOM).next_power_of_two();
        let row_bytes = self.spec.n_heads * split_room * (self.spec.head_dim + 2) * 4;
        let per_portion = (self.partial_bytes / row_bytes).clamp(1, MAX_GROUPS as usize);
        for portion in portions(split, per_portion) {
            let n_rows: usize = portion.iter().map(|it| it.rows.len()).sum();
            let partials = Partials {
                slice: self.gpu.memory.scratch((n_rows * row_bytes) as u64),
                split_room,
                stats_at: n_rows * self.spec.n_heads * split_room * self.spec.head_dim,
            };
            for piece in &portion {
                self.split(piece, most, Some(&partials));
            }
            for run in runs(&portion) {
                self.combine(spans, &run, most, &partials);
            }
        }
    }

    /// One dispatch a block of the cache, nearly always one. Without partial results, the rows of the piece have one split
    /// each.
    fn split(&self, piece: &Piece<'_>, most: usize, partials: Option<&Partials>) {
        let n_rows = piece.rows.len();
        let out = match partials {
            Some(it) => Bind::WriteSome(&it.slice, self.partial_bytes_of(n_rows, most)),
            None => Bind::WriteSome(&self.out.slice, row_bytes(&self.out, n_rows)),
        };
        let members = self.spec.n_heads / self.spec.n_kv_heads;
        let n_tiles = members.div_ceil(MAX_SHARED);
        let n_shared = members.div_ceil(n_tiles);
        let per_block = piece.cache.per_block();
        for (first, block) in piece.cache.for_kernel() {
            let seen = self.kv_bytes(self.seen_of(piece, first, per_block));
            let binds = [
                Bind::ReadSome(&self.q.slice, row_bytes(self.q, piece.rows.len())),
                Bind::ReadSome(&block.own.keys, seen),
                Bind::ReadSome(&block.own.values, seen),
                out,
                self.sinks(),
                base(&block, &block.base.keys),
                base(&block, &block.base.values),
            ];
            let grid = [
                (self.spec.n_kv_heads * n_tiles) as u32,
                most as u32,
                piece.rows.len() as u32,
            ];
            let launch = Launch {
                constants: &[
                    ("N_QUADS", self.n_quads() as f64),
                    ("N_SHARED", n_shared as f64),
                    ("HAS_BASE", has_base(&block)),
                    ("IS_WHOLE", f64::from(u8::from(partials.is_none()))),
                ],
                ..Launch::plain("attention", "decode", &binds, grid)
            };
            let params = Params {
                row: piece.rows.start as u32,
                n_rows: piece.rows.len() as u32,
                position: piece.position as u32,
                block_first: first as u32,
                block_end: (first + per_block) as u32,
                split_room: partials.map_or(1, |it| it.split_room) as u32,
                partial_row: piece.partial_row as u32,
                stats_at: partials.map_or(0, |it| it.stats_at) as u32,
                ..self.params(per_block).over(&block)
            };
            self.gpu.launch(&launch, &params);
        }
    }

    fn combine(&self, spans: &[BatchSpan<'_>], run: &Run, most: usize, partials: &Partials) {
        let positions = self.gpu.table(None, spans);
        let binds = [
            Bind::ReadSome(&partials.slice, self.partial_bytes_of(run.rows.len(), most)),
            Bind::Read(&positions),
            Bind::WriteSome(&self.out.slice, row_bytes(&self.out, run.rows.len())),
            // Not used here.
            Bind::Unused(&positions),
            self.sinks(),
        ];
        let grid = [self.spec.n_heads as u32, run.rows.len() as u32, 1];
        let params = Params {
            row: run.rows.start as u32,
            split_room: partials.split_room as u32,
            partial_row: run.partial_row as u32,
            stats_at: partials.stats_at as u32,
            ..self.params(run.per_block)
        };
        let launch = Launch::plain("attention", "combine", &binds, grid);
        self.gpu.launch(&launch, &params);
    }

    /// Splits the row of a span that has most of them.
    fn most_splits(&self, span: &BatchSpan<'_>, per_block: usize) -> usize {
        let n = |position: usize| {
            let first = first_seen(position, self.spec.mask);
            let length = split_length((position + 1).saturating_sub(first), per_block);
            (position / length + 1).saturating_sub(first / length)
        };
        let rows = span.positions().map(|(_, position)| n(position.idx()));
        rows.max().unwrap_or(0)
    }

    /// The sinks, or something that is not read.
    fn sinks(&self) -> Bind<'_> {
        self.sinks
            .map_or(Bind::Unused(&self.q.slice), |it| Bind::Read(&it.vector))
    }

    /// Bytes of the keys of so many positions, or of their values.
    fn kv_bytes(&self, n_positions: usize) -> u64 {
        (4 * n_positions * self.spec.n_kv_heads * head_room(self.spec)) as u64
    }

    /// Positions of one block that the rows of a piece see, row by row.
    fn seen_of(&self, piece: &Piece<'_>, first: usize, per_block: usize) -> usize {
        let of_row = |position: usize| {
            let from = first_seen(position, self.spec.mask).max(first);
            (position + 1).min(first + per_block).saturating_sub(from)
        };
        (piece.position..piece.position + piece.rows.len())
            .map(of_row)
            .sum()
    }

    /// Bytes of the partial results of so many rows of so many splits.
    fn partial_bytes_of(&self, n_rows: usize, n_splits: usize) -> u64 {
        (4 * n_rows * n_splits * self.spec.n_heads * (self.spec.head_dim + 2)) as u64
    }

    /// Quads of a head in the cache.
    fn n_quads(&self) -> usize {
        head_room(self.spec) / 4
    }

    /// What does not depend on the rows.
    fn params(&self, per_block: usize) -> Params {
        let spec = self.spec;
        let (mask, mask_n) = match spec.mask {
            Mask::Causal | Mask::Full => (ALL, 0),
            Mask::Window(n) => (WINDOW, n),
            Mask::Chunk(n) => (CHUNK, n),
        };
        Params {
            n_heads: spec.n_heads as u32,
            n_kv_heads: spec.n_kv_heads as u32,
            head_dim: spec.head_dim as u32,
            v_dim: spec.v_dim as u32,
            is_tiled: u32::from(spec.kv_map == KvMap::Tiled),
            mask,
            mask_n: u32::try_from(mask_n).unwrap_or(u32::MAX),
            scale: spec.scale,
            cap: spec.softcap.unwrap_or(0.0),
            least_split: LEAST_SPLIT.min(per_block) as u32,
            most_split: u32::try_from(per_block).unwrap_or(1 << 31),
            n_splits: N_SPLITS as u32,
            has_sinks: u32::from(self.sinks.is_some()),
            ..Params::default()
        }
    }
}

/// Bytes of so many rows.
fn row_bytes(of: &GpuTensor, n_rows: usize) -> u64 {
    (4 * n_rows * of.cols) as u64
}

/// What a fork shares, counted with what it has of its own.
fn base<'a>(block: &BlockRows<'_>, it: &'a Slice) -> Bind<'a> {
    if block.base_n > 0 {
        Bind::ReadSome(it, 0)
    } else {
        Bind::Unused(it)
    }
}

/// The first position a row sees; as the kernel has it.
fn first_seen(position: usize, mask: Mask) -> usize {
    match mask {
        Mask::Window(n) => (position + 1).saturating_sub(n),
        Mask::Chunk(n) => position / n.max(1) * n,
        Mask::Causal | Mask::Full => 0,
    }
}

/// Positions of a split for a row that sees so many; as the kernel has it.
fn split_length(n_seen: usize, per_block: usize) -> usize {
    let mut length = LEAST_SPLIT.min(per_block);
    while length < per_block && n_seen > length * N_SPLITS {
        length *= 2;
    }
    length
}

/// The rows of some spans, so many at a time.
pub(super) fn portions<'a>(
    split: &[(&BatchSpan<'_>, &'a GpuCache)],
    per_portion: usize,
) -> Vec<Vec<Piece<'a>>> {
    let mut out: Vec<Vec<Piece<'a>>> = Vec::new();
    let mut n_rows = per_portion;
    for (span, cache) in split {
        let mut row = span.rows.start;
        while row < span.rows.end {
            if n_rows == per_portion {
                out.push(Vec::new());
                n_rows = 0;
            }
            let n = (span.rows.end - row).min(per_portion - n_rows);
            if let Some(portion) = out.last_mut() {
                portion.push(Piece {
                    rows: row..row + n,
                    position: span.start.idx() + row - span.rows.start,
                    partial_row: n_rows,
                    cache,
                });
            }
            n_rows += n;
            row += n;
        }
    }
    out
}

/// Rows that follow each other in the batch and in the partial results.
pub(super) struct Run {
    pub(super) rows: Range<usize>,
    pub(super) partial_row: usize,
    pub(super) per_block: usize,
    pub(super) n_blocks: usize,
}

/// Pieces of rows that follow each other, as one where their caches have blocks alike.
pub(super) fn runs(portion: &[Piece<'_>]) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    for it in portion {
        let blocks = (it.cache.per_block(), it.cache.blocks().len());
        match out.last_mut() {
            Some(run)
                if run.rows.end == it.rows.start && (run.per_block, run.n_blocks) == blocks =>
            {
                run.rows.end = it.rows.end;
            }
            _ => out.push(Run {
                rows: it.rows.clone(),
                partial_row: it.partial_row,
                per_block: blocks.0,
                n_blocks: blocks.1,
            }),
        }
    }
    out
}
