//! The kernel that routes, compared with its twin: every rule, every edit, every odd shape.

use super::{
    device::Gpu,
    route::{GpuRouting, NOBODY, route},
    testing::{gpus, numbers, vector},
};
use crate::ops::cpu::{Cpu, CpuWeight, Matrix};
use crate::ops::{EMPTY, Ops as _, Routing, Span, State, Wait, hash::pcg};

use crate::spec::{
    GroupScore, Groups, HeadSpec, InputSpec, Intervention, InterventionSet, LayerId, ModelSpec,
    NormSpec, Position, Renorm, Revision, RouterId, RouterSpec, RoutingPolicy, Score, Weight,
};

const ROUTER: RouterId = RouterId(0);
/// The layer of that router: not 0, so that it counts in random picks.
const LAYER: u16 = 3;

/// A router's inputs and its rule.
struct Case {
    spec: RouterSpec,
    logits: Vec<f32>,
    bias: Option<Vec<f32>>,
}

impl Case {
    /// Logits between -8 and 8.
    fn new(spec: &RouterSpec, n_rows: usize, seed: u32) -> Self {
        let n = spec.n_experts;
        let logits = numbers(n_rows * n, seed)
            .iter()
            .map(|it| it * 8.0)
            .collect();
        let bias = spec.select_bias.then(|| numbers(n, seed + 1));
        Self {
            spec: spec.clone(),
            logits,
            bias,
        }
    }

    fn n_rows(&self) -> usize {
        self.logits.len() / self.spec.n_experts
    }

    fn twin(&self, spans: &[Span<'_>]) -> Routing {
        let logits = Matrix {
            data: self.logits.clone(),
            cols: self.spec.n_experts,
        };
        let bias = self.bias.as_ref().map(|it| CpuWeight::new(&[&vector(it)]));
        Cpu::default().route(&logits, bias.as_ref(), ROUTER, &self.spec, spans)
    }

    fn run(&self, gpu: &Gpu, spans: &[Span<'_>]) -> Found {
        let logits = gpu.tensor_from(&self.logits, self.spec.n_experts);
        let bias = self.bias.as_ref();
        let bias = bias.map(|it| gpu.weight_of("bias", &[&vector(it)]).unwrap());
        let routing = route(gpu, &logits, bias.as_ref(), ROUTER, &self.spec, spans);
        let found = read(gpu, &routing);
        gpu.choices.clear();
        found
    }
}

/// What came back, and the order of sums.
struct Found {
    routing: Routing,
    order: Vec<u32>,
}

fn read(gpu: &Gpu, routing: &GpuRouting) -> Found {
    let flight = gpu.fly(std::slice::from_ref(&routing.slice));
    let words = gpu.land(&flight, Wait::Done).unwrap().unwrap();
    let places = routing.n_rows * routing.n_places;
    Found {
        routing: routing.decode(&words.of(0)[..routing.n_words()]),
        order: words.of(0)[routing.part_at(4)..][..places].to_vec(),
    }
}

fn model(router: &RouterSpec) -> ModelSpec {
    ModelSpec {
        family: "made_up".to_owned(),
        family_label: "Made up".to_owned(),
        d_model: 8,
        n_vocab: 8,
        n_ctx: 4096,
        input: InputSpec::Tokens { scale: 1.0 },
        norm: NormSpec::rms(1e-5),
        encoder: None,
        layers: Vec::new(),
        head: HeadSpec::plain(true, 1.0),
        routers: vec![router.clone()],
    }
}

fn lower(router: &RouterSpec, edits: &[String]) -> Option<RoutingPolicy> {
    let set: InterventionSet = edits
        .iter()
        .map(|it| it.parse::<Intervention>().unwrap())
        .collect();
    RoutingPolicy::lower(&set, &model(router), Revision(1)).ok()
}

fn policy(router: &RouterSpec, edits: &[&str]) -> RoutingPolicy {
    let edits: Vec<String> = edits.iter().map(|it| (*it).to_owned()).collect();
    lower(router, &edits).unwrap()
}

/// All rows as one sequence from a position on.
fn whole(n_rows: usize, start: u32, policy: &RoutingPolicy) -> [Span<'_>; 1] {
    [Span {
        rows: 0..n_rows,
        start: Position(start),
        policy,
    }]
}

/// The rules of the families, for E experts of which k are chosen.
fn families(n_experts: usize, k: usize) -> Vec<(&'static str, RouterSpec)> {
    let plain = RouterSpec::softmax_top_k(LayerId(LAYER), n_experts, k);
    let n = [8, 4, 7, 1]
        .into_iter()
        .find(|n| n_experts.is_multiple_of(*n));
    let groups = |by| {
        n.map(|n| Groups {
            n,
            keep: n.div_ceil(2),
            by,
        })
    };
    let sum = |eps, min| Renorm::Sum { eps, min };
    let rule = |score, weight, renorm| RouterSpec {
        score,
        weight,
        renorm,
        ..plain.clone()
    };
    vec![
        ("olmoe, qwen2_moe", plain.clone()),
        (
            "mixtral, qwen3_moe",
            rule(Score::Softmax, Weight::Score, sum(0.0, 0.0)),
        ),
        (
            "granite",
            rule(Score::Logit, Weight::SoftmaxOverTopK, Renorm::None),
        ),
        (
            "llama4",
            rule(Score::Logit, Weight::SigmoidOfLogit, Renorm::None),
        ),
        (
            "dbrx",
            rule(Score::Softmax, Weight::Score, Renorm::PNorm(1.0)),
        ),
        (
            "3-norm",
            rule(Score::Sigmoid, Weight::Score, Renorm::PNorm(3.0)),
        ),
        (
            "deepseek_v2",
            RouterSpec {
                groups: groups(GroupScore::Max),
                scale: 16.0,
                scale_only_if_not_renorm: true,
                ..plain.clone()
            },
        ),
        (
            "deepseek_v2, renormalised",
            RouterSpec {
                groups: groups(GroupScore::Top2Sum),
                scale: 16.0,
                scale_only_if_not_renorm: true,
                ..rule(Score::Softmax, Weight::Score, sum(1e-20, 0.0))
            },
        ),
        (
            "deepseek_v3",
            RouterSpec {
                select_bias: true,
                groups: groups(GroupScore::Top2Sum),
                scale: 2.5,
                ..rule(Score::Sigmoid, Weight::Score, sum(1e-20, 0.0))
            },
        ),
        (
            "sqrtsoftplus",
            RouterSpec {
                select_bias: true,
                scale: 1.5,
                ..rule(Score::SqrtSoftplus, Weight::Score, sum(0.0, 1e-6))
            },
        ),
        (
            "sigmoid of the logit",
            RouterSpec {
                select_bias: true,
                ..rule(Score::Softmax, Weight::SigmoidOfLogit, sum(0.0, 0.0))
            },
        ),
        (
            "grok",
            RouterSpec {
                logit_softcap: Some(5.0),
                ..rule(Score::Softmax, Weight::SoftmaxOverTopK, sum(1e-9, 0.0))
            },
        ),
    ]
}

/// Places of one row by ascending id: expert, state, network, weight.
fn picks(it: &Routing, row: usize) -> Vec<(u16, State, u16, f32)> {
    let places = row * it.n_places..(row + 1) * it.n_places;
    let mut out: Vec<_> = places
        .map(|i| (it.experts[i], it.states[i], it.networks[i], it.weights[i]))
        .collect();
    out.sort_by_key(|it| it.0);
    out
}

fn near(got: f32, want: f32, scale: f32, tolerance: f32) -> bool {
    (got - want).abs() <= tolerance * scale.max(1e-6) || got.to_bits() == want.to_bits()
}

/// Fails where a row is not the twin's. Returns in how many rows the picks had to be the same:
/// those whose margin is no accident of the last bits.
fn assert_twin(found: &Found, want: &Routing, what: &str) -> usize {
    let got = &found.routing;
    let shape = |it: &Routing| (it.n_experts, it.n_places, it.n_rows(), it.groups_kept.len());
    assert_eq!(shape(got), shape(want), "{what}");
    assert_eq!(got.selection.len(), want.selection.len(), "{what}");
    let same = got.selection.iter().zip(&want.selection);
    for (got, want) in same {
        assert!(
            near(*got, *want, 1.0, 2e-6),
            "{what}: {got} selects, not {want}"
        );
    }
    let mut n_exact = 0;
    for row in 0..want.n_rows() {
        let what = format!("{what}, row {row}");
        assert_order(found, row, &what);
        let mine = picks(want, row);
        let scale = mine.iter().map(|it| it.3.abs()).fold(0.0, f32::max);
        if want.margin[row] <= 1e-5 * scale.min(1.0) {
            continue;
        }
        n_exact += 1;
        for (got, want) in picks(got, row).iter().zip(&mine) {
            assert_eq!((got.0, got.1, got.2), (want.0, want.1, want.2), "{what}");
            assert!(
                near(got.3, want.3, scale, 3e-6),
                "{what}: expert {} weighs {}, not {}",
                got.0,
                got.3,
                want.3
            );
        }
        let (margin, wanted) = (got.margin[row], want.margin[row]);
        assert_eq!(
            margin.is_nan(),
            wanted.is_nan(),
            "{what}: margin {margin}, not {wanted}"
        );
        assert!(
            wanted.is_nan() || near(margin, wanted, wanted.abs().max(1.0), 1e-5),
            "{what}: margin {margin}, not {wanted}"
        );
        let (sum, wanted) = (got.weight_sum[row], want.weight_sum[row]);
        assert!(
            near(sum, wanted, wanted.abs(), 1e-5),
            "{what}: sum {sum}, not {wanted}"
        );
        let groups = got.groups_kept.len() / got.n_rows();
        let groups = row * groups..(row + 1) * groups;
        assert_eq!(
            got.groups_kept[groups.clone()],
            want.groups_kept[groups],
            "{what}"
        );
    }
    n_exact
}

/// The strongest first, ties to the lowest id, empty places last; and the order of sums.
fn assert_order(found: &Found, row: usize, what: &str) {
    let it = &found.routing;
    let places = row * it.n_places..(row + 1) * it.n_places;
    let (ids, weights) = (&it.experts[places.clone()], &it.weights[places.clone()]);
    let n = ids.iter().position(|it| *it == EMPTY).unwrap_or(ids.len());
    assert!(ids[n..].iter().all(|it| *it == EMPTY), "{what}: {ids:?}");
    for i in 1..n {
        let by_weight = weights[i - 1].total_cmp(&weights[i]);
        assert!(
            by_weight.then(ids[i].cmp(&ids[i - 1])).is_gt(),
            "{what}: {weights:?}"
        );
    }
    for i in n..ids.len() {
        let at = places.start + i;
        let rest = (it.networks[at], it.weights[at].to_bits(), it.states[at]);
        assert_eq!(rest, (EMPTY, 0, State::Empty), "{what}");
    }
    let order = &found.order[places];
    let by_id: Vec<u16> = order[..n].iter().map(|it| ids[*it as usize]).collect();
    assert!(by_id.is_sorted_by(|a, b| a < b), "{what}: {by_id:?}");
    let rest: Vec<u32> = (n as u32..ids.len() as u32).collect();
    assert_eq!(order[n..], rest, "{what}");
}

#[test]
fn every_rule_chooses_as_the_twin() {
    let none = RoutingPolicy::default();
    for gpu in gpus() {
        let (mut n_rows, mut n_exact) = (0, 0);
        for n_experts in [1, 7, 8, 128, 2048] {
            let ks: &[usize] = if n_experts == 2048 {
                &[1, 8]
            } else {
                &[1, 2, 3, 4, 5, 6, 7, 8]
            };
            for k in ks
                .iter()
                .copied()
                .filter(|k| *k < n_experts)
                .chain([n_experts.min(128)])
            {
                for (i, (name, spec)) in families(n_experts, k).iter().enumerate() {
                    let rows = if n_experts == 2048 {
                        3
                    } else {
                        [1, 7, 65][(i + k) % 3]
                    };
                    let case = Case::new(spec, rows, (n_experts + k) as u32);
                    let spans = whole(rows, 0, &none);
                    let what = format!("{name}, {k} of {n_experts}, {rows} rows");
                    n_exact += assert_twin(&case.run(&gpu, &spans), &case.twin(&spans), &what);
                    n_rows += rows;
                }
            }
        }
        assert!(
            n_exact * 100 > n_rows * 95,
            "{n_exact} of {n_rows} rows say something"
        );
    }
}

#[test]
fn two_thousand_experts_are_all_chosen_as_by_the_twin() {
    let none = RoutingPolicy::default();
    for gpu in gpus() {
        for (name, spec) in families(2048, 2048).iter().step_by(4) {
            let case = Case::new(spec, 2, 5);
            let spans = whole(2, 0, &none);
            assert_eq!(
                assert_twin(&case.run(&gpu, &spans), &case.twin(&spans), name),
                2
            );
        }
        let (name, spec) = &families(2048, 8)[1];
        let case = Case::new(spec, 65, 6);
        let spans = whole(65, 0, &none);
        assert!(assert_twin(&case.run(&gpu, &spans), &case.twin(&spans), name) > 50);
    }
}

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
fn random_lists_of_edits_act_as_in_the_twin() {
    for gpu in gpus() {
        let mut draw = Draw(11);
        let (mut n_rows, mut n_exact) = (0, 0);
        for n_experts in [1, 7, 8, 128] {
            for round in 0..5 {
                let k = 1 + draw.below(n_experts.min(8));
                for (i, (name, spec)) in families(n_experts, k).iter().enumerate() {
                    let rows = [7, 1, 65][(i + round) % 3];
                    let case = Case::new(spec, rows, draw.0);
                    let (edits, policy) = draw.list(spec);
                    let spans = whole(rows, draw.below(30) as u32, &policy);
                    let what = format!(
                        "{name}, {k} of {n_experts}, from {:?}: {edits:?}",
                        spans[0].start
                    );
                    n_exact += assert_twin(&case.run(&gpu, &spans), &case.twin(&spans), &what);
                    n_rows += rows;
                }
            }
        }
        let (name, spec) = &families(2048, 8)[8];
        let case = Case::new(spec, 7, 3);
        let (_, policy) = draw.list(spec);
        let spans = whole(7, 0, &policy);
        assert_twin(&case.run(&gpu, &spans), &case.twin(&spans), name);
        assert!(
            n_exact * 100 > n_rows * 80,
            "{n_exact} of {n_rows} rows say something"
        );
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
    let spans: Vec<Span<'_>> = [(0..6, 4), (6..11, 0), (11..18, 9)]
        .into_iter()
        .zip(&lists)
        .map(|((rows, start), policy)| Span {
            rows,
            start: Position(start),
            policy,
        })
        .collect();
    let case = Case::new(&spec, 18, 2);
    for gpu in gpus() {
        let found = case.run(&gpu, &spans);
        assert_eq!(found.routing.n_places, 4);
        assert_eq!(
            assert_twin(&found, &case.twin(&spans), "three sequences"),
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
        assert!((11..14).all(|row| picks(&found.routing, row)[1].1 == State::Forced));
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
        let mut case = Case::new(&spec, 7, 4);
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
                    let it = case.run(gpu, &whole(7, 0, list)).routing;
                    let weights: Vec<u32> = it.weights.iter().map(|it| it.to_bits()).collect();
                    (it.experts, it.networks, weights)
                };
                assert_eq!(bits(&none), bits(&list), "{name}: {edits:?}");
            }
        }
    }
}

#[test]
fn ties_go_to_the_lowest_id() {
    let none = RoutingPolicy::default();
    let gpus = gpus();
    for n_experts in [8, 128, 2048] {
        for (name, spec) in families(n_experts, 5) {
            let mut case = Case::new(&spec, 1, 1);
            case.logits = (0..n_experts)
                .map(|e| if e % 3 == 1 { 1.5 } else { -0.5 })
                .collect();
            case.bias = case.bias.map(|it| vec![0.25; it.len()]);
            let spans = whole(1, 0, &none);
            let want = case.twin(&spans);
            for gpu in &gpus {
                let got = case.run(gpu, &spans).routing;
                assert_eq!(got.experts, want.experts, "{name}, {n_experts} experts");
                assert_eq!(
                    got.groups_kept, want.groups_kept,
                    "{name}, {n_experts} experts"
                );
            }
        }
    }
}

/// Under a bias that leaves the others no score the twin picks the lowest ids; just above that it
/// still tells them apart by the few bits that are left.
#[test]
fn scores_that_underflow_tie_as_in_the_twin() {
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
                let want = case.twin(&spans);
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
fn infinite_and_huge_logits_are_routed_as_by_the_twin() {
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
        let want = case.twin(&spans);
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

#[test]
fn logits_that_are_no_numbers_end_and_show() {
    let gpus = gpus();
    let none = RoutingPolicy::default();
    for n_experts in [7, 128, 2048] {
        for (name, spec) in families(n_experts, 3) {
            let mut case = Case::new(&spec, 2, 1);
            for (bad, it) in [f32::NAN, f32::INFINITY]
                .iter()
                .zip(case.logits.chunks_mut(n_experts))
            {
                it[2..].fill(*bad);
            }
            let spans = whole(2, 0, &none);
            let want = case.twin(&spans);
            for gpu in &gpus {
                let got = case.run(gpu, &spans).routing;
                for row in 0..2 {
                    let ids =
                        |it: &Routing| picks(it, row).iter().map(|it| it.0).collect::<Vec<_>>();
                    assert_eq!(ids(&got), ids(&want), "{name}, {n_experts}, row {row}");
                    let shows = |it: &Routing| picks(it, row).iter().any(|it| !it.3.is_finite());
                    assert_eq!(shows(&got), shows(&want), "{name}, {n_experts}, row {row}");
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

#[test]
fn nobody_is_no_expert_on_the_host() {
    assert!(usize::from(EMPTY) >= crate::spec::MAX_EXPERTS && NOBODY as usize > usize::from(EMPTY));
}
