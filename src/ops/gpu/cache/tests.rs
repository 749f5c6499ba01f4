//! Caches that grow, fork and are cut, row by row.

use std::ops::Range;

use super::super::memory::Slice;
use super::*;
use crate::ops::gpu::testing::{gpus, numbers};
use crate::ops::{GpuTensor, Wait};

/// Rows as an operation would write them.
fn write(gpu: &Gpu, cache: &mut GpuCache, rows: &[f32]) {
    let width = cache.width;
    let n = rows.len() / width;
    cache.reserve(gpu, cache.len + n).unwrap();
    let from = gpu.tensor_from(rows, width);
    let mut row = 0;
    for it in cache.kv_spans(n, usize::MAX) {
        let n_bytes = (it.n * width * 4) as u64;
        let own = cache.blocks[it.block].own().unwrap();
        for to in [&own.keys, &own.values] {
            // A copy has to start at a region's start: rows of the test are 256 bytes.
            let from = Slice {
                start: (row * width * 4) as u64,
                ..from.slice.clone()
            };
            gpu.copy(&from, &to.held, (it.at * width * 4) as u64, n_bytes);
        }
        row += it.n;
    }
    cache.grow(n);
}

fn keys(gpu: &Gpu, cache: &GpuCache) -> Vec<f32> {
    let mut out = Vec::new();
    for (i, it) in cache.blocks.iter().enumerate() {
        let here = cache.len.saturating_sub(i * cache.per_block);
        for it in it.segments(here.min(cache.per_block)) {
            let tensor = GpuTensor {
                slice: it.rows.keys.clone(),
                rows: it.at + it.n,
                cols: cache.width,
            };
            let rows = crate::ops::gpu::testing::read(gpu, &tensor);
            out.extend_from_slice(&rows[it.at * cache.width..]);
        }
    }
    out
}

#[test]
fn a_cache_grows_forks_and_is_cut_without_losing_a_row() {
    for mut gpu in gpus() {
        // Blocks of 64 positions and one of all.
        for binding_bytes in [64 * 256, 1 << 20] {
            gpu.facts.binding_bytes = binding_bytes;
            let rows = numbers(1200 * 64, 3);
            let mut cache = GpuCache::new(&gpu, 64, 1200);
            write(&gpu, &mut cache, &rows[..500 * 64]);
            let mut fork = cache.fork(&gpu, 130).unwrap();
            write(&gpu, &mut cache, &rows[500 * 64..]);
            assert_eq!(keys(&gpu, &cache), rows, "grown");
            write(&gpu, &mut fork, &rows[..600 * 64]);
            assert_eq!(keys(&gpu, &fork)[..130 * 64], rows[..130 * 64], "forked");
            assert_eq!(keys(&gpu, &fork)[130 * 64..], rows[..600 * 64], "and grown");
            cache.truncate(77);
            write(&gpu, &mut cache, &rows[..64]);
            assert_eq!(cache.len(), 78);
            assert_eq!(keys(&gpu, &cache)[77 * 64..], rows[..64], "cut");
        }
    }
}

#[test]
fn a_fork_shares_what_it_can_and_each_goes_on_alone() {
    let gpu = gpus().remove(0);
    let rows = numbers(4000 * 64, 7);
    let of = |positions: Range<usize>| &rows[positions.start * 64..positions.end * 64];
    let mut root = GpuCache::new(&gpu, 64, 4096);
    write(&gpu, &mut root, of(0..1000));
    let n_bytes = gpu.n_bytes();
    let mut fork = root.fork(&gpu, 999).unwrap();
    assert_eq!(gpu.n_bytes(), n_bytes, "nothing is copied");
    assert_eq!(fork.pieces(), root.pieces());
    // Both write: each reads its own.
    write(&gpu, &mut fork, of(2000..2010));
    write(&gpu, &mut root, of(3000..3500));
    assert_eq!(keys(&gpu, &fork), [of(0..999), of(2000..2010)].concat());
    assert_eq!(keys(&gpu, &root), [of(0..1000), of(3000..3500)].concat());
    // Cut back into what the fork reads, and written again.
    root.truncate(500);
    write(&gpu, &mut root, of(1500..1510));
    assert_eq!(keys(&gpu, &root), [of(0..500), of(1500..1510)].concat());
    assert_eq!(keys(&gpu, &fork), [of(0..999), of(2000..2010)].concat());
    // A fork of a fork: before, in and behind what is shared.
    for (at, more) in [(400, 3), (999, 40), (1005, 70)] {
        let mut next = fork.fork(&gpu, at).unwrap();
        let held = [of(0..999), of(2000..2010)].concat();
        write(&gpu, &mut next, of(3900..3900 + more));
        let want = [&held[..at * 64], of(3900..3900 + more)].concat();
        assert_eq!(keys(&gpu, &next), want, "at {at}");
        assert_eq!(keys(&gpu, &fork), held);
    }
    // A short base under a long run of its own: the run is shared, the base is copied.
    let mut late = root.fork(&gpu, 10).unwrap();
    write(&gpu, &mut late, of(100..700));
    let mut next = late.fork(&gpu, 605).unwrap();
    write(&gpu, &mut next, of(0..5));
    late.truncate(300);
    write(&gpu, &mut late, of(800..801));
    assert_eq!(
        keys(&gpu, &next),
        [of(0..10), of(100..695), of(0..5)].concat()
    );
    assert_eq!(
        keys(&gpu, &late),
        [of(0..10), of(100..390), of(800..801)].concat()
    );
    let mut last = next.fork(&gpu, 400).unwrap();
    write(&gpu, &mut last, of(1..2));
    assert_eq!(
        keys(&gpu, &last),
        [of(0..10), of(100..490), of(1..2)].concat()
    );
}

#[test]
fn room_never_exceeds_the_context_and_starts_small() {
    let gpu = gpus().remove(0);
    let mut cache = GpuCache::new(&gpu, 16, 1300);
    let room = |cache: &GpuCache| {
        let blocks = cache.blocks.iter();
        blocks.map(|it| it.own().unwrap().n).collect::<Vec<_>>()
    };
    for (n, want) in [
        (1, 512),
        (512, 512),
        (513, 1024),
        (1025, 1300),
        (1301, 1301),
    ] {
        cache.reserve(&gpu, n).unwrap();
        assert_eq!(room(&cache), [want], "{n} positions");
    }
    let mut short = GpuCache::new(&gpu, 16, 100);
    short.reserve(&gpu, 1).unwrap();
    assert_eq!(room(&short), [100]);
}

#[test]
fn forks_and_rewinds_take_no_new_memory() {
    let gpu = gpus().remove(0);
    let mut cache = GpuCache::new(&gpu, 64, 4096);
    let row = numbers(64, 5);
    let mut bytes_before = 0;
    for token in 0..500 {
        write(&gpu, &mut cache, &row);
        if token % 3 == 0 {
            let mut fork = cache.fork(&gpu, cache.len() / 2).unwrap();
            write(&gpu, &mut fork, &row);
        }
        if token % 5 == 4 {
            cache.truncate(cache.len() - 2);
            write(&gpu, &mut cache, &[row.clone(), row.clone()].concat());
        }
        // A step ends: what was noted is handed over.
        let in_flight = gpu.read_back(&[]);
        gpu.complete(&in_flight, Wait::Done).unwrap();
        // By then forks of every length were held.
        if token == 300 {
            bytes_before = gpu.n_bytes();
        }
    }
    assert_eq!(gpu.n_bytes(), bytes_before);
}

#[test]
fn memory_nobody_holds_is_given_back_where_it_is_short() {
    let gpu = gpus().remove(0);
    let mut cache = GpuCache::new(&gpu, 64, 4096);
    cache.reserve(&gpu, 4000).unwrap();
    let with = gpu.n_bytes();
    drop(cache);
    assert_eq!(gpu.n_bytes(), with, "kept for the next");
    gpu.free_caches();
    assert_eq!(gpu.n_bytes(), with - 2 * 4096 * 256);
}

#[test]
fn a_row_larger_than_a_binding_is_refused_with_both_sizes() {
    let mut gpu = gpus().remove(0);
    gpu.facts.binding_bytes = 1024;
    let error = GpuCache::new(&gpu, 300, 10).reserve(&gpu, 1).unwrap_err();
    assert!(error.to_string().contains("1200 bytes"), "{error}");
    assert!(error.to_string().contains("1024"), "{error}");
}
