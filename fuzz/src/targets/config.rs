//! The bytes of a `config.json`: a shape that is accepted satisfies its laws, and a small model of it runs.

use std::path::Path;

use moescope::checkpoint::{Checkpoint, MadeUp};

use moescope::engine::{Backend, Capture, Feed, LiveBackend, Row, Wait};

use moescope::model::{Model, ModelError};

use moescope::ops::Cpu;

use moescope::spec::{
    Ffn, GqaSpec, MAX_EXPERTS, Mixer, ModelSpec, RouterSpec, RoutingPolicy, TokenId,
};

use moescope::trace::PickState;

/// Numbers of a model that is run, at most.
const MAX_NUMBERS: usize = 200_000;

/// The bytes as `config.json`.
pub fn config(bytes: &[u8]) -> bool {
    let place = Path::new("config.json");
    let plan = match MadeUp::of_config(bytes, place) {
        Ok(it) => it,
        Err(why) => {
            super::check_sentence(&why);
            return false;
        }
    };
    check_shape(plan.spec());
    if plan.spec().layers.len() <= 4 && n_numbers(plan.spec()) <= MAX_NUMBERS {
        run(&plan.make(1));
    }
    true
}

fn check_shape(spec: &ModelSpec) {
    let sizes = [spec.d_model, spec.n_vocab, spec.n_ctx, spec.layers.len()];
    assert!(sizes.iter().all(|it| *it > 0), "{sizes:?}");
    assert!(!spec.routers.is_empty(), "a model without experts");
    assert!(spec.norm.eps.is_finite() && spec.norm.eps > 0.0);
    spec.routers.iter().for_each(check_router);
    let mut n_routers = 0;
    for (l, layer) in spec.layers.iter().enumerate() {
        if let Mixer::Gqa(it) = &layer.mixer {
            check_attention(it);
        }
        let inner = match &layer.ffn {
            Ffn::Dense(it) => it.d_ff,
            Ffn::Moe(it) => {
                let router = spec.router(it.router).unwrap();
                assert_eq!(it.router.idx(), n_routers, "routers in the order of layers");
                assert_eq!(router.place.layer.idx(), l, "a router of another layer");
                n_routers += 1;
                it.expert.d_ff
            }
            Ffn::None => {
                assert!(layer.mixer != Mixer::None, "layer {l} is nothing");
                continue;
            }
        };
        assert!(inner > 0, "layer {l} has no width");
    }
    assert_eq!(n_routers, spec.routers.len());
}

fn check_router(it: &RouterSpec) {
    assert!(it.n_experts <= MAX_EXPERTS, "{} experts", it.n_experts);
    let k = 1..=it.n_experts;
    assert!(k.contains(&it.top_k), "{} of {}", it.top_k, it.n_experts);
    assert!(it.scale.is_finite());
    if let Some(groups) = it.groups {
        assert!(it.n_experts.is_multiple_of(groups.n), "{groups:?}");
        assert!((1..=groups.n).contains(&groups.keep), "{groups:?}");
    }
}

fn check_attention(it: &GqaSpec) {
    assert!(it.n_kv_heads > 0 && it.n_heads.is_multiple_of(it.n_kv_heads));
    assert!(it.head_dim > 0 && it.scale.is_finite());
    if let Some(rope) = &it.rope {
        assert!(rope.dim <= it.head_dim && rope.dim.is_multiple_of(2));
        assert!(rope.theta.is_finite() && rope.theta > 0.0);
    }
}

/// How many numbers the weights of a model are, about.
fn n_numbers(spec: &ModelSpec) -> usize {
    let times = |a: usize, b: usize| a.saturating_mul(b);
    let mut total = times(spec.n_vocab, spec.d_model);
    for layer in &spec.layers {
        let heads = match &layer.mixer {
            Mixer::Gqa(it) => times(it.n_heads, it.head_dim),
            Mixer::Recurrent(it) => {
                total = total.saturating_add(it.state_len());
                it.n_in().saturating_add(it.n_channels())
            }
            _ => 0,
        };
        let inner = match &layer.ffn {
            Ffn::Dense(it) => it.d_ff,
            Ffn::Moe(it) => {
                let shared = it.shared.map_or(0, |it| it.mlp.d_ff);
                let n_experts = spec.router(it.router).map_or(0, |it| it.n_experts);
                times(n_experts, it.expert.d_ff + 1).saturating_add(shared)
            }
            Ffn::None => 0,
        };
        let rows = heads.saturating_add(inner);
        total = total.saturating_add(times(times(rows, spec.d_model), 3));
    }
    total
}

/// Three tokens: who is chosen is there and is there once, whatever the numbers become.
fn run(made: &Checkpoint) {
    let model = match Model::new(made.spec.clone(), &made.weights, Cpu::default()) {
        Ok(it) => it,
        Err(why @ ModelError::Missing { .. }) => panic!("{why}"),
        Err(why) => return super::check_sentence(&why),
    };
    let n_vocab = made.spec.n_vocab;
    let mut backend = LiveBackend::new(model, n_vocab);
    let tokens = [0, n_vocab / 2, n_vocab - 1].map(TokenId::new);
    let tokens = &tokens[..made.spec.n_ctx.min(3)];
    let seq = backend.open();
    let row = Row {
        seq,
        feed: Feed::Tokens(tokens),
        next: None,
        policy: &RoutingPolicy::default(),
        sampling: None,
        against: None,
    };
    let ticket = backend.submit(&[row], Capture::Logits).unwrap();
    let step = backend.poll(ticket, Wait::Done).unwrap().unwrap();
    let trace = &step.rows[0].trace;
    assert_eq!(trace.routers.len(), made.spec.routers.len());
    for (router, spec) in trace.routers.iter().zip(&made.spec.routers) {
        for t in 0..tokens.len() {
            let picks = router.picks_of(t).filter(|it| it.state != PickState::Empty);
            let mut ids: Vec<usize> = picks.map(|it| it.expert.idx()).collect();
            assert!(ids.len() <= spec.top_k && ids.iter().all(|it| *it < spec.n_experts));
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), spec.top_k, "an expert chosen twice, or none");
        }
    }
}
