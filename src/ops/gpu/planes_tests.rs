//! The kernels on weights in planes against the reference: each number as it is decoded, products with few tokens and
//! many, networks of experts, and the bytes that the device holds.

use super::{
    Gpu,
    embed::{Fed, embed},
    experts::Layout,
    experts_tests::{Case, GROUPED, PLAIN, check_views},
    formats::Coding,
    linear::linear,
    packing::{RowLayout, UNIT_BYTES},
    plane_cases::{columns, formats, planes, stacked},
    testing::{assert_near, bits, gpus, numbers, read},
};
use crate::checkpoint::WeightView;
use crate::formats::{LaidGroups, Level, Offset, PlaneFormat, ScaleType, Sharing};
use crate::ops::Mlp;
use crate::ops::cpu::linear::linear as reference;
use crate::ops::cpu::{CpuWeight, Matrix};
use crate::spec::TokenId;

/// Whether two numbers are one, or neighbours; what is not finite may be anything, and what is subnormal 0.
fn is_near(got: f32, want: f32) -> bool {
    let is_tiny = |it: f32| it.abs() < f32::MIN_POSITIVE;
    let is_beside = got.to_bits().abs_diff(want.to_bits()) <= 1;
    !want.is_finite() || is_beside || (is_tiny(want) && is_tiny(got))
}

/// Rows that words of eight, and matrices, end within.
const ROWS: usize = 40;

#[test]
fn every_number_in_planes_is_decoded_as_the_reference_decodes_it() {
    let gpus = gpus();
    for (format, gpu) in formats().into_iter().zip(gpus.iter().cycle()) {
        for cols in [24, 200, 384] {
            let cols = columns(&format, cols);
            let view = stacked(format, 3, [ROWS, cols], 5, true);
            let want = view.to_f32();
            let table = gpu.weight_of("table", &[&view]).unwrap();
            let ids = 0..3 * ROWS as u32;
            let tokens: Vec<Fed> = ids.map(|it| Fed::Known(TokenId(it))).collect();
            let got = read(gpu, &embed(gpu, &table, &tokens, 1.0));
            // A product that is rounded before the sum, on one side alone.
            let rounds_twice = format.offset == Offset::Minimums && format.scale == ScaleType::F32;
            for (i, (got, want)) in got.into_iter().zip(want).enumerate() {
                let is_it = is_near(got, want) || rounds_twice && (got - want).abs() <= 2e-8;
                let (name, at) = (format.label(), [i / cols, i % cols]);
                assert!(is_it, "{name} of {cols}: {at:?} is {got:e}, not {want:e}");
            }
        }
    }
}

/// Rows, columns, tokens: few and many, and no whole tiles, units or groups where a format has such rows.
const SHAPES: [[usize; 3]; 3] = [[72, 384, 3], [ROWS, 200, 70], [8, 24, 1]];

#[test]
fn products_with_planes_are_those_of_the_reference() {
    let gpus = gpus();
    for (format, gpu) in formats().into_iter().zip(gpus.iter().cycle()) {
        for [rows, cols, n] in SHAPES {
            let cols = columns(&format, cols);
            let view = planes(format, [rows, cols], 5);
            let x = Matrix {
                data: numbers(n * cols, 77),
                cols,
            };
            let want = reference(&x, &CpuWeight::new(&[&view]), None);
            let w = gpu.weight_of("w", &[&view]).unwrap();
            let before = gpu.counters().dispatches;
            let got = linear(gpu, &gpu.tensor_from(&x.data, cols), &w, None);
            let is_padded =
                w.shards[0].row_units * RowLayout::of(w.shards[0].format).unit_numbers() > cols;
            assert_eq!(gpu.counters().dispatches - before, 1 + u64::from(is_padded));
            let what = format!("{rows} × {cols} in {} by {n}", format.label());
            assert_near(&read(gpu, &got), &want.data, 5e-6, &what);
        }
    }
}

/// The same bits, wherever the rows are cut, and every other row of them.
#[test]
fn planes_in_several_shards_are_those_planes() {
    let gpus = gpus();
    for (format, gpu) in formats().into_iter().zip(gpus.iter().cycle()) {
        let cols = columns(&format, 96);
        let view = stacked(format, 2, [ROWS, cols], 5, false);
        let part = |it| view.rows(it).unwrap();
        let parts = [part(0..20), part(20..71), part(71..80)];
        let layout = RowLayout::of(Coding::of(&view));
        let lists = 3 * 2 * layout.list_bytes(cols);
        let most = (23 * layout.row_bytes(cols) + UNIT_BYTES + lists) as u64;
        let whole = gpu.weight_of("whole", &[&view]).unwrap();
        let split = gpu.weight_in("split", &parts.each_ref(), most).unwrap();
        assert!(split.shards.len() > 2);
        assert!(split.shards.iter().all(|it| it.slice.n_bytes <= most));
        let product = |weight, n| {
            let x = gpu.tensor_from(&numbers(n * cols, 7), cols);
            read(gpu, &linear(gpu, &x, weight, None))
        };
        for n in [1, 40] {
            let [a, b] = [&whole, &split].map(|it| bits(&product(it, n)));
            assert_eq!(a, b, "{}", format.label());
        }
        let others = view.every((1, 2)).unwrap();
        let others = gpu.weight_of("every other row", &[&others]).unwrap();
        let all = product(&whole, 1);
        let want: Vec<f32> = all.into_iter().skip(1).step_by(2).collect();
        assert_eq!(
            bits(&product(&others, 1)),
            bits(&want),
            "{}",
            format.label()
        );
    }
}

/// The experts of a layer: those of one tensor in each of three, those of tensors of their own, or some of both.
fn networks(
    it: &Case,
    inner: PlaneFormat,
    outer: PlaneFormat,
    is_stacked: bool,
) -> Vec<Mlp<WeightView>> {
    let of = |format, rows: usize, cols, seed: u32| -> Vec<WeightView> {
        if is_stacked {
            let all = stacked(format, it.e, [rows, cols], seed, false);
            let one = |e: usize| all.rows(e * rows..(e + 1) * rows).unwrap();
            (0..it.e).map(one).collect()
        } else {
            let one = |e: usize| planes(format, [rows, cols], seed + e as u32);
            (0..it.e).map(one).collect()
        }
    };
    let gates = of(inner, it.f, it.h, 1);
    let ups = of(inner, it.f, it.h, 100);
    let downs = of(outer, it.h, it.f, 200);
    let all = gates.into_iter().zip(ups).zip(downs);
    all.map(|((gate, up), down)| Mlp {
        gate: Some(gate),
        up,
        down,
        gate_bias: None,
        up_bias: None,
        down_bias: None,
    })
    .collect()
}

#[test]
fn networks_in_planes_are_those_of_the_reference() {
    let gpus = gpus();
    let formats = formats();
    for (i, pair) in formats.chunks(2).enumerate() {
        let [a, b] = [pair[0], pair[pair.len() - 1]];
        for (layout, [inner, outer]) in [(Layout::PerSlot, [a, b]), (GROUPED, [b, a])] {
            let gpu = &gpus[i % 2];
            let size = |n| columns(&inner, columns(&outer, n)).next_multiple_of(8);
            let it = Case {
                e: 3,
                k: 2,
                h: columns(&inner, size(136)),
                f: columns(&outer, size(72)),
                ..PLAIN
            };
            let views = networks(&it, inner, outer, i % 2 == 0);
            for binding_bytes in [1 << 20, 40_000] {
                check_views(gpu, &it, &views, binding_bytes, &[layout]);
            }
        }
    }
}

/// What a shard takes is what is counted before there is a device: close to what the file has, not four bytes a number.
#[test]
fn planes_take_the_bytes_on_the_device_that_are_counted_for_them() {
    let gpu = &gpus()[0];
    for format in formats() {
        let cols = columns(&format, 384);
        let view = planes(format, [ROWS, cols], 5);
        let counted = format.laid_bytes(ROWS, cols);
        let w = gpu.weight_of("w", &[&view]).unwrap();
        let held: u64 = w.shards.iter().map(|it| it.slice.n_bytes).sum();
        assert_eq!(held, counted.next_multiple_of(16), "{}", format.label());
        let stored = view.n_bytes() as f64;
        // Of tiny matrices the list of groups counts; groups that are no whole units are laid in smaller ones.
        let most = match format.sharing {
            _ if format.has_order => 2.2,
            Sharing::Block(_, n) | Sharing::Group(n) if !n.is_multiple_of(16) => 2.2,
            Sharing::Group(n) if !n.is_multiple_of(32) && format.level != Level::Fp4 => 1.4,
            _ => 1.15,
        };
        let ratio = held as f64 / stored;
        assert!(
            ratio < most,
            "{} takes {ratio} of what it is stored in",
            format.label()
        );
    }
}

/// Groups that are given column by column, but one after the other, cost no list.
#[test]
fn an_order_that_is_none_is_not_listed() {
    let ordered = formats().into_iter().find(|it| it.has_order).unwrap();
    let listed = |format: PlaneFormat, cols: usize| {
        let view = planes(format, [8, cols], 5);
        matches!(Coding::of(&view), Coding::Planes(it) if matches!(it.groups, LaidGroups::Listed(_)))
    };
    assert!(listed(ordered, 64));
    // One group.
    assert!(!listed(ordered, 16));
}

/// A large tensor is laid some megabytes at a time: what is on its way is never all of it, and never wider than it.
#[test]
fn what_is_laid_at_once_is_as_large_as_what_it_holds() {
    for format in formats() {
        let cols = columns(&format, 384);
        let view = planes(format, [64, cols], 5);
        let layout = RowLayout::of(Coding::of(&view));
        let packed = layout.packed(&view, 8..40, &|_| 0);
        let n = packed.units.len() + packed.apart.len();
        assert_eq!(n, 32 * layout.row_bytes(cols), "{}", format.label());
    }
}

/// `cargo test … -- --ignored --nocapture speed_of_planes`
#[test]
#[ignore = "a measurement, not a check"]
fn speed_of_planes() {
    let gpu: &Gpu = &gpus()[0];
    let (rows, cols) = (2048, 2048);
    for format in formats() {
        let cols = columns(&format, cols);
        let view = planes(format, [rows, cols], 5);
        let clock = std::time::Instant::now();
        let w = gpu.weight_of("w", &[&view]).unwrap();
        let laid = clock.elapsed().as_secs_f64();
        for n in [1, 4, 64] {
            let x = gpu.tensor_from(&numbers(n * cols, 7), cols);
            let run = || {
                let clock = std::time::Instant::now();
                read(gpu, &linear(gpu, &x, &w, None));
                clock.elapsed().as_secs_f64()
            };
            let secs = (0..6).map(|_| run()).fold(f64::MAX, f64::min);
            println!(
                "{:16} {n:3} tokens: {:8.3} ms, {:6.2} GB/s of weights; laid at {:5.2} GB/s",
                format.label(),
                secs * 1e3,
                view.n_bytes() as f64 / secs * 1e-9,
                view.n_bytes() as f64 / laid * 1e-9,
            );
        }
    }
}
