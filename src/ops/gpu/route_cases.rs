//! What the tests of the kernel that routes share: rules, inputs, and the comparison with the reference.

use super::{
    device::Gpu,
    route::{GpuRouting, route},
    testing::{numbers, vector},
};
use crate::ops::cpu::{Cpu, CpuWeight, Matrix};
use crate::ops::{BatchSpan, EMPTY, Ops as _, Routing, Wait};

use crate::spec::{
    Algo, GroupScore, Groups, Intervention, InterventionSet, LayerId, ModelSpec, Position, Renorm,
    Revision, RouterId, RouterSpec, RoutingPolicy, Score, Weight,
};
use crate::trace::PickState;

const ROUTER: RouterId = RouterId(0);
/// The layer of that router: not 0, so that it counts in random picks.
pub const LAYER: u16 = 3;

/// A router's inputs and its rule.
pub struct Case {
    pub spec: RouterSpec,
    pub logits: Vec<f32>,
    pub bias: Option<Vec<f32>>,
}

impl Case {
    /// Logits between -8 and 8.
    pub fn new(spec: &RouterSpec, n_rows: usize, seed: u32) -> Self {
        let n = spec.n_experts;
        let logits = numbers(n_rows * n, seed)
            .iter()
            .map(|it| it * 8.0)
            .collect();
        let biases = spec.select_bias.then(|| numbers(n, seed + 1));
        let factors = spec.per_expert_scale.then(|| numbers(n, seed + 2));
        let of_experts: Vec<f32> = biases.into_iter().chain(factors).flatten().collect();
        let bias = (!of_experts.is_empty()).then_some(of_experts);
        Self {
            spec: spec.clone(),
            logits,
            bias,
        }
    }

    pub fn reference(&self, spans: &[BatchSpan<'_>]) -> Routing {
        let logits = Matrix {
            data: self.logits.clone(),
            cols: self.spec.n_experts,
        };
        let bias = self.bias.as_ref().map(|it| CpuWeight::new(&[&vector(it)]));
        Cpu::default().route(&logits, bias.as_ref(), ROUTER, &self.spec, spans)
    }

    pub fn run(&self, gpu: &Gpu, spans: &[BatchSpan<'_>]) -> Found {
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
pub struct Found {
    pub routing: Routing,
    pub order: Vec<u32>,
}

pub fn read(gpu: &Gpu, routing: &GpuRouting) -> Found {
    let in_flight = gpu.read_back(std::slice::from_ref(&routing.slice));
    let words = gpu.complete(&in_flight, Wait::Done).unwrap().unwrap();
    let places = routing.n_rows * routing.n_picks;
    Found {
        routing: routing.decode(&words.of(0)[..routing.n_words()]),
        order: words.of(0)[routing.part_at(4)..][..places].to_vec(),
    }
}

pub fn model(router: &RouterSpec) -> ModelSpec {
    ModelSpec {
        n_ctx: 4096,
        ..ModelSpec::with_routers([router.clone()])
    }
}

pub fn lower(router: &RouterSpec, edits: &[String]) -> Option<RoutingPolicy> {
    let set: InterventionSet = edits
        .iter()
        .map(|it| it.parse::<Intervention>().unwrap())
        .collect();
    RoutingPolicy::lower(&set, &model(router), Revision(1)).ok()
}

pub fn policy(router: &RouterSpec, edits: &[&str]) -> RoutingPolicy {
    let edits: Vec<String> = edits.iter().map(|it| (*it).to_owned()).collect();
    lower(router, &edits).unwrap()
}

/// All rows as one sequence from a position on.
pub fn whole(n_rows: usize, start: u32, policy: &RoutingPolicy) -> [BatchSpan<'_>; 1] {
    [BatchSpan {
        rows: 0..n_rows,
        start: Position(start),
        policy,
    }]
}

/// A family and its rule.
pub type Family = (&'static str, RouterSpec);

/// The rules of the families, for E experts of which k are chosen.
pub fn families(n_experts: usize, k: usize) -> Vec<Family> {
    let plain = RouterSpec::softmax_top_k(LayerId(LAYER), n_experts, k);
    let mut out = plain_rules(&plain);
    out.extend(grouped_rules(&plain));
    out.extend(other_rules(&plain));
    out
}

fn rule(plain: &RouterSpec, score: Score, weight: Weight, renorm: Renorm) -> RouterSpec {
    RouterSpec {
        score,
        weight,
        renorm,
        ..plain.clone()
    }
}

fn by_sum(eps: f32, min: f32) -> Renorm {
    Renorm::Sum { eps, min }
}

fn plain_rules(plain: &RouterSpec) -> Vec<Family> {
    let rule = |score, weight, renorm| rule(plain, score, weight, renorm);
    let renormed = rule(Score::Softmax, Weight::Score, by_sum(0.0, 0.0));
    let granite = rule(Score::Logit, Weight::SoftmaxOverTopK, Renorm::None);
    let llama4 = rule(Score::Logit, Weight::SigmoidOfLogit, Renorm::None);
    let dbrx = rule(Score::Softmax, Weight::Score, Renorm::PNorm(1.0));
    let third = rule(Score::Sigmoid, Weight::Score, Renorm::PNorm(3.0));
    vec![
        ("olmoe, qwen2_moe", plain.clone()),
        ("mixtral, qwen3_moe", renormed),
        ("granite", granite),
        ("llama4", llama4),
        ("dbrx", dbrx),
        ("3-norm", third),
    ]
}

fn grouped_rules(plain: &RouterSpec) -> Vec<Family> {
    let divides = |n: &usize| plain.n_experts.is_multiple_of(*n);
    let n = [8, 4, 7, 1].into_iter().find(divides).unwrap_or(1);
    let groups = |by| {
        let keep = n.div_ceil(2);
        Some(Groups { n, keep, by })
    };
    let second = RouterSpec {
        groups: groups(GroupScore::Max),
        scale: 16.0,
        scale_only_if_not_renorm: true,
        ..plain.clone()
    };
    let renormed = RouterSpec {
        groups: groups(GroupScore::Top2Sum),
        renorm: by_sum(1e-20, 0.0),
        ..second.clone()
    };
    let third = RouterSpec {
        select_bias: true,
        groups: groups(GroupScore::Top2Sum),
        scale: 2.5,
        ..rule(plain, Score::Sigmoid, Weight::Score, by_sum(1e-20, 0.0))
    };
    vec![
        ("deepseek_v2", second),
        ("deepseek_v2, renormalised", renormed),
        ("deepseek_v3", third),
    ]
}

fn other_rules(plain: &RouterSpec) -> Vec<Family> {
    let rule = |score, weight, renorm| rule(plain, score, weight, renorm);
    let softplus = RouterSpec {
        select_bias: true,
        scale: 1.5,
        ..rule(Score::SqrtSoftplus, Weight::Score, by_sum(0.0, 1e-6))
    };
    let sigmoid = RouterSpec {
        select_bias: true,
        ..rule(Score::Softmax, Weight::SigmoidOfLogit, by_sum(0.0, 0.0))
    };
    let capped = RouterSpec {
        logit_softcap: Some(5.0),
        ..rule(Score::Softmax, Weight::SoftmaxOverTopK, by_sum(1e-9, 0.0))
    };
    let phi = RouterSpec {
        // Wide enough that several experts are near.
        algo: Algo::SparseMixer { eps: 0.2 },
        ..rule(Score::Logit, Weight::Score, Renorm::None)
    };
    let gemma = RouterSpec {
        per_expert_scale: true,
        ..rule(Score::Softmax, Weight::Score, by_sum(0.0, 0.0))
    };
    vec![
        ("sqrtsoftplus", softplus),
        ("sigmoid of the logit", sigmoid),
        ("grok", capped),
        ("phimoe", phi),
        ("gemma4", gemma),
    ]
}

/// Places of one row by ascending id: expert, state, network, weight.
pub fn picks(it: &Routing, row: usize) -> Vec<(u16, PickState, u16, f32)> {
    let places = row * it.n_picks..(row + 1) * it.n_picks;
    let mut out: Vec<_> = places
        .map(|i| (it.experts[i], it.states[i], it.networks[i], it.weights[i]))
        .collect();
    out.sort_by_key(|it| it.0);
    out
}

pub fn near(got: f32, want: f32, scale: f32, tolerance: f32) -> bool {
    (got - want).abs() <= tolerance * scale.max(1e-6) || got.to_bits() == want.to_bits()
}

/// Fails where a row is not the reference's. Returns in how many rows the picks had to be the same:
/// those whose margin is no accident of the last bits.
pub fn assert_reference(found: &Found, want: &Routing, what: &str) -> usize {
    let got = &found.routing;
    let shape = |it: &Routing| (it.n_experts, it.n_picks, it.n_rows(), it.groups_kept.len());
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
                near(got.3, want.3, scale, 1e-5),
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
pub fn assert_order(found: &Found, row: usize, what: &str) {
    let it = &found.routing;
    let places = row * it.n_picks..(row + 1) * it.n_picks;
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
        assert_eq!(rest, (EMPTY, 0, PickState::Empty), "{what}");
    }
    let order = &found.order[places];
    let by_id: Vec<u16> = order[..n].iter().map(|it| ids[*it as usize]).collect();
    assert!(by_id.is_sorted_by(|a, b| a < b), "{what}: {by_id:?}");
    let rest: Vec<u32> = (n as u32..ids.len() as u32).collect();
    assert_eq!(order[n..], rest, "{what}");
}
