//! The kernel that routes, compared with its reference: every rule, every odd shape, numbers that are none.

use super::{
    control::NOBODY,
    device::Gpu,
    route_cases::{Case, assert_reference, families, near, picks, whole},
    testing::gpus,
};
use crate::ops::{EMPTY, Routing};

use crate::spec::{MAX_EXPERTS, RoutingPolicy};

#[test]
fn every_rule_chooses_as_the_reference() {
    let none = RoutingPolicy::default();
    for gpu in gpus() {
        let (mut n_rows, mut n_exact) = (0, 0);
        for (n_experts, most) in [(1, 1), (7, 7), (8, 8), (128, 8), (300, 2)] {
            for k in (1..=most).chain((most < n_experts).then_some(n_experts)) {
                for (i, (name, spec)) in families(n_experts, k).iter().enumerate() {
                    let rows = [1, 7, 1, 2, 1, 65, 1][(i + k) % 7];
                    // Of many experts every rule sees every other k.
                    if n_experts > 8 && ((i + k) % 2 == 1 || k * rows > 1000) {
                        continue;
                    }
                    let case = Case::new(spec, rows, (n_experts + k) as u32);
                    let spans = whole(rows, 0, &none);
                    let what = format!("{name}, {k} of {n_experts}, {rows} rows");
                    n_exact +=
                        assert_reference(&case.run(&gpu, &spans), &case.reference(&spans), &what);
                    n_rows += rows;
                }
            }
        }
        let share = n_exact as f32 / n_rows as f32;
        assert!(share > 0.95, "{n_exact} of {n_rows} rows say something");
    }
}

#[test]
fn two_thousand_experts_are_chosen_as_by_the_reference() {
    let none = RoutingPolicy::default();
    for gpu in gpus() {
        for (k, rows, every) in [(1, 7, 3), (8, 9, 5), (2048, 1, 4)] {
            for (name, spec) in families(2048, k).iter().step_by(every) {
                let case = Case::new(spec, rows, 5);
                let spans = whole(rows, 0, &none);
                let what = format!("{name}, {k} of 2048");
                let n_exact =
                    assert_reference(&case.run(&gpu, &spans), &case.reference(&spans), &what);
                assert!(
                    n_exact * 10 > rows * 6 || *name == "3-norm",
                    "{what}: {n_exact} of {rows} rows say something"
                );
            }
        }
        assert_ties(&gpu, 2048, 5);
        assert_no_numbers(&gpu, 2048, 5);
    }
}

/// Every rule, with different numbers of picks and rows.
#[test]
fn any_picks_of_two_thousand_are_the_references_for_any_number_of_rows() {
    let none = RoutingPolicy::default();
    for gpu in gpus() {
        let (mut n_rows, mut n_exact) = (0, 0);
        for k in 1..=8 {
            for (i, rows) in [1, 7, 65].into_iter().enumerate() {
                let (name, spec) = &families(2048, k)[(3 * k + i) % 12];
                let case = Case::new(spec, rows, k as u32);
                let spans = whole(rows, 0, &none);
                let what = format!("{name}, {k} of 2048, {rows} rows");
                n_exact +=
                    assert_reference(&case.run(&gpu, &spans), &case.reference(&spans), &what);
                n_rows += rows;
            }
        }
        let share = n_exact as f32 / n_rows as f32;
        assert!(share > 0.6, "{n_exact} of {n_rows} rows say something");
    }
}

/// Every so many of the rules, over logits of two values.
fn assert_ties(gpu: &Gpu, n_experts: usize, every: usize) {
    let none = RoutingPolicy::default();
    for (name, spec) in families(n_experts, 5).into_iter().step_by(every) {
        let mut case = Case::new(&spec, 1, 1);
        let value = |e| if e % 3 == 1 { 1.5 } else { -0.5 };
        case.logits = (0..n_experts).map(value).collect();
        case.bias = case.bias.map(|it| vec![0.25; it.len()]);
        let spans = whole(1, 0, &none);
        let want = case.reference(&spans);
        let got = case.run(gpu, &spans).routing;
        assert_eq!(got.experts, want.experts, "{name}, {n_experts} experts");
        assert_eq!(
            got.groups_kept, want.groups_kept,
            "{name}, {n_experts} experts"
        );
    }
}

#[test]
fn ties_go_to_the_lowest_id() {
    for gpu in gpus() {
        assert_ties(&gpu, 8, 1);
        assert_ties(&gpu, 128, 1);
    }
}

#[test]
fn infinite_and_huge_logits_are_routed_as_by_the_reference() {
    let gpus = gpus();
    let none = RoutingPolicy::default();
    let below = f32::NEG_INFINITY;
    let rows: [[f32; 7]; 5] = [
        [below, 1.0, below, 2.0, 0.5, below, below],
        [1e30, -1e30, 3.0, 1e20, -1e4, 2e30, 0.0],
        [f32::MAX, f32::MIN, 0.0, 1.0, -1.0, 1e-30, 7.0],
        [1e4, 9e3, -1e4, 0.0, 88.0, -88.0, 8e3],
        [-0.0, 0.0, -0.0, 0.0, -1.0, -1.0, -2.0],
    ];
    for (name, spec) in families(7, 3) {
        if spec.groups.is_some() {
            continue;
        }
        let mut case = Case::new(&spec, 5, 1);
        case.logits = rows.concat();
        case.bias = case.bias.map(|it| vec![0.0; it.len()]);
        let spans = whole(5, 0, &none);
        let want = case.reference(&spans);
        for gpu in &gpus {
            let got = case.run(gpu, &spans).routing;
            assert_eq!(got.experts, want.experts, "{name}");
            for (i, (got, want)) in got.weights.iter().zip(&want.weights).enumerate() {
                let same = near(*got, *want, want.abs(), 1e-5) || (got.is_nan() && want.is_nan());
                assert!(same, "{name}, place {i}: {got} for {want}");
            }
        }
    }
}

/// Every so many of the rules, over one row with NaN and one with infinities.
fn assert_no_numbers(gpu: &Gpu, n_experts: usize, every: usize) {
    let none = RoutingPolicy::default();
    for (name, spec) in families(n_experts, 3).into_iter().step_by(every) {
        let mut case = Case::new(&spec, 2, 1);
        let rows = case.logits.chunks_mut(n_experts);
        for (bad, row) in [f32::NAN, f32::INFINITY].iter().zip(rows) {
            row[2..].fill(*bad);
        }
        let spans = whole(2, 0, &none);
        let want = case.reference(&spans);
        let got = case.run(gpu, &spans).routing;
        for row in 0..2 {
            let seen = |it: &Routing| {
                let picks = picks(it, row);
                let ids: Vec<u16> = picks.iter().map(|it| it.0).collect();
                (ids, picks.iter().any(|it| !it.3.is_finite()))
            };
            assert_eq!(
                seen(&got),
                seen(&want),
                "{name}, {n_experts} experts, row {row}"
            );
        }
    }
}

#[test]
fn logits_that_are_no_numbers_end_and_show() {
    for gpu in gpus() {
        assert_no_numbers(&gpu, 7, 1);
        assert_no_numbers(&gpu, 128, 1);
    }
}

#[test]
fn nobody_is_no_expert_on_the_host() {
    assert!(usize::from(EMPTY) >= MAX_EXPERTS && NOBODY as usize > usize::from(EMPTY));
}
