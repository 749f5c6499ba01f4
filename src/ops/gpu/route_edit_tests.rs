//! Edits on the kernel that routes, compared with its reference.

use super::{
    route_cases::{Case, LAYER, assert_reference, families, lower, near, picks, policy, whole},
    testing::gpus,
};
use crate::ops::{BatchSpan, EMPTY, Routing, hash::pcg};

use crate::spec::{Position, RouterSpec, RoutingPolicy};
use crate::trace::PickState;

/// Numbers drawn one after the other.
struct Draw(u32);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = pcg(self.0);
        self.0 as usize % n
    }

    fn unit(&mut self) -> f32 {
        self.below(1 << 20) as f32 / (1 << 20) as f32
    }

    fn span(&mut self) -> String {
        let (a, n) = (self.below(40), 1 + self.below(40));
        match self.below(6) {
            0 => format!("@{a}.."),
            1 => format!("@..{n}"),
            2 => format!("@{a}..{}", a + n),
            _ => String::new(),
        }
    }

    fn edit(&mut self, n_experts: usize) -> String {
        let l = if self.below(5) == 0 {
            "*".to_owned()
        } else {
            LAYER.to_string()
        };
        let (e, f) = (self.below(n_experts), self.below(n_experts));
        let (value, share) = (6.0 * self.unit() - 3.0, 0.9 * self.unit());
        let body = match self.below(11) {
            0 => format!("bias:{l}.{e}={value}"),
            1 => format!("bias:{l}.{e}={}", value * 1000.0),
            2 => format!("select:{l}.{e}={value}"),
            3 => format!("k:{l}={}", 1 + self.below(n_experts.min(12))),
            4 => format!("mask:{l}.{e}"),
            5 => format!("force:{l}.{e}"),
            6 => format!("force:{l}.{e}={share}"),
            7 => format!("uniform:{l}"),
            8 => format!("random:{l}={f}"),
            9 => format!("zero:{l}.{e}"),
            _ => format!("swap:{l}.{e}>{f}"),
        };
        body + &self.span()
    }

    /// A list that can act, with the policy it is lowered to.
    fn list(&mut self, spec: &RouterSpec) -> (Vec<String>, RoutingPolicy) {
        loop {
            let n = 1 + self.below(8);
            let edits: Vec<String> = (0..n).map(|_| self.edit(spec.n_experts)).collect();
            if let Some(policy) = lower(spec, &edits) {
                return (edits, policy);
            }
        }
    }
}

#[test]
fn random_lists_of_edits_act_as_in_the_reference() {
    for gpu in gpus() {
        let mut draw = Draw(11);
        let (mut n_rows, mut n_exact) = (0, 0);
        for (n_experts, n_rounds) in [(1, 1), (7, 5), (8, 9), (128, 9), (2048, 1)] {
            for round in 0..n_rounds {
                let k = 1 + draw.below(n_experts.min(8));
                for (i, (name, spec)) in families(n_experts, k).iter().enumerate() {
                    if n_experts > 128 && i % 4 > 0 {
                        continue;
                    }
                    let rows = [1, 7, 2, 1, 3, 1, 65, 1][(i + 3 * round) % 8].min(4096 / n_experts);
                    let case = Case::new(spec, rows, draw.0);
                    let (edits, policy) = draw.list(spec);
                    let start = draw.below(30) as u32;
                    let spans = whole(rows, start, &policy);
                    let what = format!("{name}, {k} of {n_experts}, from {start}: {edits:?}");
                    n_exact +=
                        assert_reference(&case.run(&gpu, &spans), &case.reference(&spans), &what);
                    n_rows += rows;
                }
            }
        }
        let share = n_exact as f32 / n_rows as f32;
        assert!(share > 0.8, "{n_exact} of {n_rows} rows say something");
    }
}

/// Three sequences under lists of their own, each cut by a range.
#[test]
fn every_row_has_the_edits_of_its_own_sequence_and_position() {
    let spec = families(8, 2).remove(1).1;
    let lists = [
        policy(&spec, &["mask:3.0@5..9", "k:*=4@7.."]),
        RoutingPolicy::default(),
        policy(
            &spec,
            &["force:3.7=0.25@..12", "random:3=9@12..", "zero:3.7@11.."],
        ),
    ];
    let spans: Vec<BatchSpan<'_>> = [(0..6, 4), (6..11, 0), (11..18, 9)]
        .into_iter()
        .zip(&lists)
        .map(|((rows, start), policy)| BatchSpan {
            rows,
            start: Position(start),
            policy,
        })
        .collect();
    let case = Case::new(&spec, 18, 2);
    for gpu in gpus() {
        let found = case.run(&gpu, &spans);
        assert_eq!(found.routing.n_picks, 4);
        assert_eq!(
            assert_reference(&found, &case.reference(&spans), "three sequences"),
            18
        );
        let n_picks = |row: usize| {
            picks(&found.routing, row)
                .iter()
                .filter(|it| it.0 != EMPTY)
                .count()
        };
        let counts: Vec<usize> = (0..18).map(n_picks).collect();
        assert_eq!(
            counts,
            [2, 2, 2, 4, 4, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
        );
        // Position 5 to 8 of the first, 9 to 11 of the third, 12 on of the third.
        assert!((1..5).all(|row| picks(&found.routing, row).iter().all(|it| it.0 != 0)));
        assert!((11..14).all(|row| picks(&found.routing, row)[1].1 == PickState::Forced));
        assert!((11..13).all(|row| picks(&found.routing, row)[1].2 == 7));
        assert_eq!(picks(&found.routing, 13)[1].2, EMPTY);
    }
}

#[test]
fn a_row_does_not_depend_on_the_rows_beside_it() {
    let gpus = gpus();
    for (name, spec) in families(128, 6) {
        let list = policy(&spec, &["bias:3.4=2", "k:3=9@3..", "force:3.5=0.5@2.."]);
        let case = Case::new(&spec, 7, 8);
        for gpu in &gpus {
            let all = case.run(gpu, &whole(7, 0, &list)).routing;
            for row in 0..7 {
                let alone = Case {
                    logits: case.logits[row * 128..(row + 1) * 128].to_vec(),
                    bias: case.bias.clone(),
                    spec: spec.clone(),
                };
                let alone = alone.run(gpu, &whole(1, row as u32, &list)).routing;
                let bits = |it: &Routing, row| {
                    let picks = picks(it, row).into_iter().filter(|it| it.0 != EMPTY);
                    let picks: Vec<_> = picks.map(|it| (it.0, it.1, it.3.to_bits())).collect();
                    (
                        picks,
                        it.margin[row].to_bits(),
                        it.weight_sum[row].to_bits(),
                    )
                };
                assert_eq!(bits(&all, row), bits(&alone, 0), "{name}, row {row}");
            }
        }
    }
}

/// What a list that changes nothing must not change: not even the last bit.
#[test]
fn edits_that_add_nothing_change_no_bit() {
    let gpus = gpus();
    for (name, spec) in families(128, 6) {
        let mut case = Case::new(&spec, 2, 4);
        // Some scores lie below what f32 holds.
        case.logits.iter_mut().step_by(3).for_each(|it| *it -= 99.0);
        let none = RoutingPolicy::default();
        for edits in [
            vec!["bias:3.0=0", "select:*.3=0"],
            vec!["k:*=6", "mask:3.5@70.."],
        ] {
            let list = policy(&spec, &edits);
            for gpu in &gpus {
                let bits = |list| {
                    let it = case.run(gpu, &whole(2, 0, list)).routing;
                    let weights: Vec<u32> = it.weights.iter().map(|it| it.to_bits()).collect();
                    (it.experts, it.networks, weights)
                };
                assert_eq!(bits(&none), bits(&list), "{name}: {edits:?}");
            }
        }
    }
}

/// Under a bias that leaves the others no score the reference picks the lowest ids; just above that it
/// still tells them apart by the few bits that are left.
#[test]
fn scores_that_underflow_tie_as_in_the_reference() {
    let gpus = gpus();
    for (name, spec) in families(8, 3) {
        if spec.groups.is_some() {
            continue;
        }
        let mut case = Case::new(&spec, 1, 1);
        case.bias = case.bias.map(|it| vec![0.0; it.len()]);
        case.logits = vec![0.1, 0.5, 0.2, 3.0, 0.7, 0.9, 0.4, 0.3];
        for bias in [1000.0, 200.0, 105.5, 99.0, 90.0, 70.0] {
            let edits = [format!("bias:3.3={bias}"), "mask:3.3@1..".to_owned()];
            let list = lower(&spec, &edits).unwrap();
            for start in [0, 1] {
                let spans = whole(1, start, &list);
                let want = case.reference(&spans);
                for gpu in &gpus {
                    let got = case.run(gpu, &spans).routing;
                    let what = format!("{name} under {bias} at {start}");
                    let ids = |it: &Routing| picks(it, 0).iter().map(|it| it.0).collect::<Vec<_>>();
                    assert_eq!(ids(&got), ids(&want), "{what}");
                    for (got, want) in picks(&got, 0).iter().zip(picks(&want, 0)) {
                        assert!(
                            near(got.3, want.3, 1.0, 3e-6),
                            "{what}: {} for {}",
                            got.3,
                            want.3
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_router_is_one_dispatch_however_many_edits_there_are() {
    let spec = families(8, 2).remove(8).1;
    let ten = policy(
        &spec,
        &[
            "bias:3.0=1",
            "select:3.1=0.5",
            "k:3=4",
            "mask:3.2",
            "force:3.3",
            "force:3.4=0.5",
            "uniform:3@2..",
            "random:3=1@4..",
            "zero:3.5",
            "swap:3.6>7",
        ],
    );
    for gpu in gpus() {
        let case = Case::new(&spec, 7, 1);
        let n_dispatches = |list: &RoutingPolicy| {
            let before = gpu.counters();
            case.run(&gpu, &whole(7, 0, list));
            let after = gpu.counters();
            (
                after.dispatches - before.dispatches,
                after.readbacks - before.readbacks,
            )
        };
        assert_eq!(n_dispatches(&RoutingPolicy::default()), (1, 1));
        assert_eq!(n_dispatches(&ten), (1, 1));
    }
}
