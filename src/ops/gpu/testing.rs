//! What the comparisons of kernels with their references share.

use super::{
    AdapterChoice, Gpu, GpuTensor, abilities::Abilities, control::NOBODY, route::GpuRouting,
};
use crate::checkpoint::{Blob, WeightView};
use crate::formats::Dtype;
use crate::ops::{EMPTY, Routing, Wait};

fn open(can: Abilities) -> Gpu {
    let limit = |has: Abilities| Abilities {
        subgroups: has.subgroups && can.subgroups,
        f16: has.f16 && can.f16,
    };
    Gpu::open_with(AdapterChoice::Software, limit).unwrap()
}

/// The software adapter, with and without subgroups and the 16-bit type. A machine without one
/// fails here: it must not pass in silence.
pub fn gpus() -> Vec<Gpu> {
    [true, false]
        .map(|it| Abilities {
            subgroups: it,
            f16: it,
        })
        .map(open)
        .into()
}

/// The software adapter with the 16-bit type and without, once with subgroups and once without:
/// what both of a pair compute alike, and one of `gpus` as the reference, all four compute as the reference.
pub fn pairs_of_f16() -> [[Gpu; 2]; 2] {
    let pairs =
        [true, false].map(|subgroups| [true, false].map(|f16| open(Abilities { subgroups, f16 })));
    // An adapter without the type would compare a kernel with itself.
    assert!(pairs.iter().all(|[it, _]| it.can.f16));
    pairs
}

/// The numbers, on the host; fails where the driver found a mistake.
pub fn read(gpu: &Gpu, tensor: &GpuTensor) -> Vec<f32> {
    let in_flight = gpu.read_back(std::slice::from_ref(&tensor.slice));
    let words = gpu.complete(&in_flight, Wait::Done).unwrap().unwrap();
    let n = tensor.rows * tensor.cols;
    words.of(0)[..n]
        .iter()
        .map(|it| f32::from_bits(*it))
        .collect()
}

/// Their bits, which tell zeros apart.
pub fn bits(data: &[f32]) -> Vec<u32> {
    data.iter().map(|it| it.to_bits()).collect()
}

/// Their bits, those of what is infinite or no number all alike.
pub fn finite_bits(data: &[f32]) -> Vec<u32> {
    let one = |it: &f32| if it.is_finite() { *it } else { f32::NAN };
    data.iter().map(|it| one(it).to_bits()).collect()
}

/// Numbers between -1 and 1 that look random and are the same every time.
pub fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let one = |i: u32| {
        let hash = crate::ops::hash::pcg(crate::ops::hash::pcg(seed) ^ i);
        (hash >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..n as u32).map(one).collect()
}

/// Fails where two numbers differ by more than `tolerance` of the largest.
pub fn assert_near(got: &[f32], want: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(1e-3f32, |most, it| most.max(it.abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let off = (got - want).abs();
        assert!(
            off <= tolerance * scale,
            "{what}: number {i} is {got}, the reference has {want}"
        );
    }
}

/// A stored vector in f32.
pub fn vector(data: &[f32]) -> WeightView {
    matrix(data, 1)
}

/// A stored matrix in f32, of so many rows.
pub fn matrix(data: &[f32], rows: usize) -> WeightView {
    let words = data.iter().map(|it| it.to_bits()).collect();
    let blob = Blob::Memory(std::sync::Arc::new(words));
    WeightView::new(&blob, 0, Dtype::F32, rows, data.len() / rows).unwrap()
}

/// A stored matrix of so many rows in any format: what the numbers become in it, or where nothing is rounded to it,
/// blocks of random bits no larger than they. One row has no blocks.
pub fn stored(data: &[f32], rows: usize, dtype: Dtype) -> WeightView {
    let bits = |of: fn(f32) -> u16| {
        let halves: Vec<u16> = data.iter().map(|it| of(*it)).collect();
        let pair = |it: &[u16]| u32::from(it[0]) | u32::from(*it.get(1).unwrap_or(&0)) << 16;
        let blob = Blob::Memory(std::sync::Arc::new(halves.chunks(2).map(pair).collect()));
        WeightView::new(&blob, 0, dtype, rows, data.len() / rows).unwrap()
    };
    match dtype {
        Dtype::F32 => matrix(data, rows),
        Dtype::F16 => bits(|it| half::f16::from_f32(it).to_bits()),
        Dtype::Bf16 => bits(|it| half::bf16::from_f32(it).to_bits()),
        Dtype::Q8_0 | Dtype::Q4_0 => crate::ops::quantized(&matrix(data, rows), dtype).unwrap(),
        _ => random(data, rows, dtype),
    }
}

/// Numbers of the blocks that are drawn from: most random bits stand for numbers far too large, so blocks are found slowly.
const N_FOUND: usize = 1024;

fn random(data: &[f32], rows: usize, dtype: Dtype) -> WeightView {
    let largest = |it: &[f32]| it.iter().fold(0.0f32, |most, it| most.max(it.abs()));
    let most = largest(data);
    // Of a block that is a number any size will do.
    let least = if dtype.has_blocks() { most / 8.0 } else { 0.0 };
    let mut numbers = vec![0.0; dtype.block_numbers()];
    let mut state = data[0].to_bits();
    let mut next = || {
        state = crate::ops::hash::pcg(state);
        state >> 8
    };
    let n_blocks = N_FOUND / dtype.block_numbers();
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    while blocks.len() < n_blocks {
        let block: Vec<u8> = (0..dtype.block_bytes()).map(|_| next() as u8).collect();
        dtype.decode(&block, &mut numbers);
        let is_finite = numbers.iter().all(|it| it.is_finite());
        if is_finite && (least..=most).contains(&largest(&numbers)) {
            blocks.push(block);
        }
    }
    let bytes: Vec<u8> = (0..data.len() / dtype.block_numbers())
        .flat_map(|_| blocks[next() as usize % n_blocks].clone())
        .collect();
    from_bytes(&bytes, rows, data.len() / rows, dtype)
}

/// A stored matrix of these bytes.
pub fn from_bytes(bytes: &[u8], rows: usize, cols: usize, dtype: Dtype) -> WeightView {
    let mut words = vec![0u32; bytes.len().div_ceil(4)];
    bytemuck::cast_slice_mut::<u32, u8>(&mut words)[..bytes.len()].copy_from_slice(bytes);
    let blob = Blob::Memory(std::sync::Arc::new(words));
    WeightView::new(&blob, 0, dtype, rows, cols).unwrap()
}

/// So many columns, or as many more as whole blocks need.
pub fn whole_blocks(cols: usize, dtype: Dtype) -> usize {
    cols.next_multiple_of(dtype.block_numbers())
}

/// A choice of the reference's, on the device.
pub fn routing_from(gpu: &Gpu, routing: &Routing) -> GpuRouting {
    let mut out = GpuRouting {
        slice: gpu.upload(&[0u32]),
        n_rows: routing.n_rows(),
        n_experts: routing.n_experts,
        n_picks: routing.n_picks,
        has_selection: false,
        n_groups: 0,
    };
    let id = |it: &u16| if *it == EMPTY { NOBODY } else { u32::from(*it) };
    let mut words: Vec<u32> = routing.experts.iter().map(id).collect();
    words.extend(routing.networks.iter().map(id));
    words.extend(routing.weights.iter().map(|it| it.to_bits()));
    words.extend(routing.experts.iter().map(|it| u32::from(*it != EMPTY)));
    for row in routing.experts.chunks_exact(routing.n_picks) {
        let mut places: Vec<u32> = (0..routing.n_picks as u32).collect();
        places.sort_by_key(|it| row[*it as usize]);
        words.extend(places);
    }
    words.extend(vec![0u32; 2 * routing.n_rows()]);
    assert_eq!(words.len(), out.n_words());
    out.slice = gpu.upload(&words);
    out
}
