//! Norms and clips of queries and keys, rotary positions, and where keys and values go.
//! The kernel is `kernels/rope.wgsl`, the reference `src/ops/cpu/rope.rs`.

use bytemuck::{Pod, Zeroable};

use super::{
    cache::{GpuCache, KvSpan},
    device::Gpu,
    memory::Slice,
    pipeline::Bind,
    record::{Launch, MAX_GROUPS},
    tensor::GpuTensor,
    weight::GpuWeight,
};
use crate::ops::cpu::rope::Rope;
use crate::ops::{BatchSpan, DeviceError};
use crate::spec::{GqaSpec, QkNorm, RopeLayout};

/// Heads of a row one workgroup takes where norms are over heads: its lanes are laid out for it.
const HEADS_PER_GROUP: u32 = 8;

/// Mirrors `Params` of the kernel.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    row: u32,
    row_len: u32,
    store_at: u32,
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    v_dim: u32,
    head_room: u32,
    n_pairs: u32,
    is_interleaved: u32,
    has_norm_q: u32,
    has_norm_k: u32,
    has_weights: u32,
    is_norm_behind: u32,
    eps: f32,
    clip: f32,
    v_scale: f32,
    stretch: f32,
    position: u32,
    floor: f32,
    growth: f32,
    has_norm_v: u32,
}

const _: () = assert!(size_of::<Params>() == 88);

/// Numbers a head takes in the cache: whole quads.
pub fn head_room(spec: &GqaSpec) -> usize {
    spec.head_dim.next_multiple_of(4)
}

/// Norms, clips and rotates queries and keys, and writes keys and values behind those of the caches.
///
/// * `qkv`: `[T, n]`: in each row queries, keys, values of all heads, and whatever stands behind them
/// * `norms`: of queries and keys; `caches`: one per span
/// * returns the queries `[T, heads · head_dim]`, ready to attend
///
/// # Errors
/// The device has no memory for longer caches; they are then as they were.
pub fn rotate_and_store(
    gpu: &Gpu,
    qkv: &GpuTensor,
    norms: [Option<&GpuWeight>; 2],
    spec: &GqaSpec,
    rope: Option<&Rope>,
    spans: &[BatchSpan<'_>],
    caches: &mut [&mut GpuCache],
) -> Result<GpuTensor, DeviceError> {
    let width = spec.n_kv_heads * head_room(spec);
    for (span, cache) in spans.iter().zip(caches.iter_mut()) {
        cache.set_width(gpu, width);
        cache.reserve(gpu, cache.len() + span.rows.len())?;
    }
    // Where only keys and values are kept there are none, but something has to be bound.
    let queries = gpu.tensor(qkv.rows, (spec.n_heads * spec.head_dim).max(1));
    let angles = match rope {
        Some(_) => gpu.table(rope, spans),
        None => qkv.slice.clone(),
    };
    let rotation = Rotation {
        gpu,
        qkv,
        norms: if matches!(spec.qk_norm, QkNorm::PerHead | QkNorm::Full) {
            norms
        } else {
            [None, None]
        },
        spec,
        rope,
        angles: &angles,
        queries: &queries,
    };
    for (span, cache) in spans.iter().zip(caches.iter_mut()) {
        let mut row = span.rows.start;
        let mut position = span.start.idx();
        for it in cache.kv_spans(span.rows.len(), MAX_GROUPS as usize) {
            rotation.launch((row, position), it, cache);
            row += it.n;
            position += it.n;
        }
        cache.grow(span.rows.len());
    }
    Ok(queries)
}

/// What all dispatches of one rotation share.
struct Rotation<'a> {
    gpu: &'a Gpu,
    qkv: &'a GpuTensor,
    norms: [Option<&'a GpuWeight>; 2],
    spec: &'a GqaSpec,
    rope: Option<&'a Rope>,
    angles: &'a Slice,
    queries: &'a GpuTensor,
}

impl Rotation<'_> {
    /// Rows of the batch from `row` on, the first at `position`, whose keys and values go to one span of rows of the cache.
    fn launch(&self, (row, position): (usize, usize), to: KvSpan, cache: &GpuCache) {
        // A weight that is not there is not read; something has to be bound.
        let unused = Bind::Unused(&self.qkv.slice);
        let norm = |i: usize| self.norms[i].map_or(unused, |it| Bind::Read(&it.vector));
        let angles = self.rope.map_or(unused, |_| Bind::Read(self.angles));
        let is_all = to.n == self.qkv.rows;
        let part = |it: u64| {
            if is_all {
                it
            } else {
                it * to.n as u64 / self.qkv.rows.max(1) as u64
            }
        };
        let stored = (4 * to.n * self.spec.n_kv_heads * head_room(self.spec)) as u64;
        let Some(own) = cache.blocks()[to.block].own() else {
            unreachable!("room was made for these rows")
        };
        let binds = [
            Bind::ReadSome(&self.qkv.slice, part(self.qkv.slice.n_bytes)),
            norm(0),
            norm(1),
            angles,
            Bind::WriteSome(&self.queries.slice, part(self.queries.slice.n_bytes)),
            Bind::WriteSome(&own.keys, stored),
            Bind::WriteSome(&own.values, stored),
        ];
        let is_whole = self.spec.qk_norm == QkNorm::Full && self.norms.iter().any(Option::is_some);
        let n_slots = (self.spec.n_heads + 2 * self.spec.n_kv_heads) as u32;
        let (entry, groups) = if is_whole {
            ("whole", 3)
        } else {
            ("heads", n_slots.div_ceil(HEADS_PER_GROUP))
        };
        let launch = Launch::plain("rope", entry, &binds, [groups, to.n as u32, 1]);
        let params = Params {
            position: position as u32,
            ..self.params(row, to.at)
        };
        self.gpu.launch(&launch, &params);
    }

    fn params(&self, row: usize, store_at: usize) -> Params {
        let spec = self.spec;
        let layout = self.rope.map(Rope::layout);
        let is_l2 = spec.qk_norm == QkNorm::L2;
        let growth = spec.query_temperature;
        Params {
            row: row as u32,
            row_len: self.qkv.cols as u32,
            store_at: store_at as u32,
            n_heads: spec.n_heads as u32,
            n_kv_heads: spec.n_kv_heads as u32,
            head_dim: spec.head_dim as u32,
            v_dim: spec.v_dim as u32,
            head_room: head_room(spec) as u32,
            n_pairs: self.rope.map_or(0, Rope::n_pairs) as u32,
            is_interleaved: u32::from(layout == Some(RopeLayout::Interleaved)),
            has_norm_q: u32::from(is_l2 || self.norms[0].is_some()),
            has_norm_k: u32::from(is_l2 || self.norms[1].is_some()),
            has_weights: u32::from(!is_l2),
            is_norm_behind: u32::from(spec.qk_norm_after_rope),
            eps: spec.qk_norm_eps,
            clip: spec.clip.unwrap_or(f32::INFINITY),
            v_scale: spec.v_scale,
            stretch: self.rope.map_or(1.0, Rope::stretch),
            position: 0,
            floor: growth.map_or(0.0, |it| it.floor),
            growth: growth.map_or(0.0, |it| it.scale),
            has_norm_v: u32::from(spec.v_norm),
        }
    }
}
