//! The laws of edits, over random lists on a small model, to the bit, one token at a time and in batches.

use std::path::Path;

use moescope::checkpoint::{self, Bundled, Source};

use moescope::engine::{Backend, Capture, Feed, LiveBackend, Row, StepRow, Wait};

use moescope::model::{Batch, Model, Sequence, forward};

use moescope::ops::{self, Cpu};

use moescope::spec::{
    Action, Intervention, InterventionSet, Position, Revision, RoutingPolicy, Sampling, SeqId,
    Span, TokenId,
};

use moescope::trace::{Pick, PickState};
use proptest::prelude::*;

/// Layers and experts of the small model, a Mixtral.
const N_LAYERS: u16 = 3;
const N_EXPERTS: u16 = 8;

fn backend() -> LiveBackend<Cpu> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fixtures/mixtral");
    let checkpoint = checkpoint::open(&Source::Folder(folder)).unwrap();
    let model = Model::new(checkpoint.spec.clone(), &checkpoint.weights, Cpu::default()).unwrap();
    LiveBackend::new(model, checkpoint.spec.n_vocab)
}

fn lower(backend: &LiveBackend<Cpu>, edits: &[String]) -> Option<RoutingPolicy> {
    let set: InterventionSet = edits
        .iter()
        .map(|it| it.parse::<Intervention>().unwrap())
        .collect();
    RoutingPolicy::lower(&set, backend.spec(), Revision(1)).ok()
}

/// Reads tokens in slices of the given sizes, the last one repeated.
fn read(
    backend: &mut LiveBackend<Cpu>,
    tokens: &[TokenId],
    policy: &RoutingPolicy,
    slice: usize,
) -> Vec<StepRow> {
    let seq = backend.open();
    let out = tokens
        .chunks(slice)
        .map(|it| step(backend, seq, it, policy))
        .collect();
    backend.release(seq);
    out
}

fn step(
    backend: &mut LiveBackend<Cpu>,
    seq: SeqId,
    tokens: &[TokenId],
    policy: &RoutingPolicy,
) -> StepRow {
    let row = Row {
        seq,
        feed: Feed::Tokens(tokens),
        next: None,
        policy,
        sampling: None,
        against: None,
    };
    let ticket = backend.submit(&[row], Capture::Logits).unwrap();
    backend
        .poll(ticket, Wait::Done)
        .unwrap()
        .unwrap()
        .rows
        .remove(0)
}

/// Bits of the logits at each position.
fn bits(rows: &[StepRow], n_vocab: usize) -> Vec<Vec<u32>> {
    rows.iter()
        .flat_map(|it| it.logits.chunks(n_vocab))
        .map(|it| it.iter().map(|z| z.to_bits()).collect())
        .collect()
}

/// The picks of each position and layer.
fn picks(rows: &[StepRow]) -> Vec<Vec<Vec<Pick>>> {
    rows.iter()
        .flat_map(|it| {
            (0..it.trace.tokens.len()).map(move |t| {
                it.trace
                    .routers
                    .iter()
                    .map(|r| r.picks_of(t).copied().collect())
                    .collect()
            })
        })
        .collect()
}

fn edit() -> impl Strategy<Value = String> {
    let layer =
        prop_oneof![4 => (0..N_LAYERS).prop_map(|it| it.to_string()), 1 => Just("*".to_owned())];
    let span = prop_oneof![
        3 => Just(String::new()),
        1 => (0u32..10).prop_map(|a| format!("@{a}..")),
        1 => (1u32..12).prop_map(|b| format!("@..{b}")),
        1 => (0u32..6, 1u32..6).prop_map(|(a, n)| format!("@{a}..{}", a + n)),
    ];
    let kind = (
        0u8..10,
        0..N_EXPERTS,
        0..N_EXPERTS,
        -3.0f32..3.0,
        0.0f32..0.9,
        1..=N_EXPERTS,
    );
    (layer, kind, span).prop_map(|(l, (kind, e, f, value, share, k), span)| {
        let body = match kind {
            0 => format!("bias:{l}.{e}={value}"),
            1 => format!("select:{l}.{e}={value}"),
            2 => format!("k:{l}={k}"),
            3 => format!("mask:{l}.{e}"),
            4 => format!("force:{l}.{e}"),
            5 => format!("force:{l}.{e}={share}"),
            6 => format!("uniform:{l}"),
            7 => format!("random:{l}={f}"),
            8 => format!("zero:{l}.{e}"),
            _ => format!("swap:{l}.{e}>{f}"),
        };
        body + &span
    })
}

fn tokens() -> impl Strategy<Value = Vec<TokenId>> {
    prop::collection::vec((0u32..384).prop_map(TokenId), 2..16)
}

/// What the list says of an expert at a place, read off the list itself: the last of mask and force wins.
fn last_word(edits: &[String], layer: u16, expert: u16, t: Position) -> Option<Action> {
    let parsed = edits.iter().map(|it| it.parse::<Intervention>().unwrap());
    let about = |it: &Intervention| {
        let named = it.at.to_string() == "*" || it.at.to_string() == layer.to_string();
        let is_kind = matches!(it.action, Action::Mask { .. } | Action::Force { .. });
        named && is_kind && it.action.expert().map(|it| it.0) == Some(expert) && it.span.contains(t)
    };
    parsed.filter(about).map(|it| it.action).next_back()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn printing_an_edit_and_reading_it_gives_it_back(text in edit()) {
        let edit: Intervention = text.parse().unwrap();
        prop_assert_eq!(edit.to_string().parse::<Intervention>().unwrap(), edit);
    }

    #[test]
    fn masked_experts_are_never_picked_and_forced_ones_always(edits in prop::collection::vec(edit(), 0..6), tokens in tokens()) {
        let mut backend = backend();
        let Some(policy) = lower(&backend, &edits) else { return Ok(()) };
        let rows = read(&mut backend, &tokens, &policy, 5);
        for (t, layers) in picks(&rows).iter().enumerate() {
            for (layer, picks) in layers.iter().enumerate() {
                for expert in 0..N_EXPERTS {
                    let pick = picks.iter().find(|it| it.expert.0 == expert);
                    match last_word(&edits, layer as u16, expert, Position::new(t)) {
                        Some(Action::Mask { .. }) => prop_assert!(pick.is_none()),
                        Some(_) => prop_assert_eq!(pick.map(|it| it.state), Some(PickState::Forced)),
                        None => prop_assert!(pick.is_none_or(|it| it.state == PickState::Chosen)),
                    }
                }
                prop_assert!(picks.iter().all(|it| it.weight.is_finite()));
                prop_assert!(picks.windows(2).all(|it| it[0].weight >= it[1].weight));
            }
        }
    }

    #[test]
    fn batching_never_changes_a_bit(edits in prop::collection::vec(edit(), 0..5), tokens in tokens(), slice in 1usize..9) {
        let mut backend = backend();
        let Some(policy) = lower(&backend, &edits) else { return Ok(()) };
        let one = read(&mut backend, &tokens, &policy, 1);
        let many = read(&mut backend, &tokens, &policy, slice);
        prop_assert_eq!(bits(&one, 384), bits(&many, 384));
        prop_assert_eq!(picks(&one), picks(&many));
    }

    #[test]
    fn edits_from_a_on_leave_every_logit_before_a(edits in prop::collection::vec(edit(), 1..5), tokens in tokens(), a in 1u32..12) {
        let mut backend = backend();
        let later: Vec<String> = edits.iter().map(|it| {
            let edit: Intervention = it.parse().unwrap();
            Intervention { span: Span::starting(Position(a)), ..edit }.to_string()
        }).collect();
        let Some(policy) = lower(&backend, &later) else { return Ok(()) };
        let plain = read(&mut backend, &tokens, &RoutingPolicy::default(), 4);
        let edited = read(&mut backend, &tokens, &policy, 4);
        let before = (a as usize).min(tokens.len());
        prop_assert_eq!(&bits(&plain, 384)[..before], &bits(&edited, 384)[..before]);
        prop_assert_eq!(&picks(&plain)[..before], &picks(&edited)[..before]);
    }

    #[test]
    fn rewinding_and_replaying_without_the_list_is_the_baseline(edits in prop::collection::vec(edit(), 1..5), tokens in tokens(), to in 0usize..12) {
        let mut backend = backend();
        let Some(policy) = lower(&backend, &edits) else { return Ok(()) };
        let none = RoutingPolicy::default();
        let plain = read(&mut backend, &tokens, &none, 16);
        let to = to.min(tokens.len() - 1);
        let seq = backend.open();
        if to > 0 {
            step(&mut backend, seq, &tokens[..to], &none);
        }
        step(&mut backend, seq, &tokens[to..], &policy);
        backend.rewind(seq, Position::new(to));
        let again = step(&mut backend, seq, &tokens[to..], &none);
        prop_assert_eq!(&bits(&plain, 384)[to..], &bits(&[again], 384)[..]);
    }

    #[test]
    fn three_sequences_in_one_batch_are_three_alone(
        lists in prop::collection::vec(prop::collection::vec(edit(), 0..4), 3),
        texts in prop::collection::vec(tokens(), 3),
    ) {
        let mut backend = backend();
        let policies: Option<Vec<RoutingPolicy>> = lists.iter().map(|it| lower(&backend, it)).collect();
        let Some(policies) = policies else { return Ok(()) };
        let seqs: Vec<SeqId> = (0..3).map(|_| backend.open()).collect();
        let sampling = Sampling::default();
        let batch: Vec<Row<'_>> = (0..3)
            .map(|i| Row { seq: seqs[i], feed: Feed::Tokens(&texts[i]), next: None, policy: &policies[i], sampling: Some(&sampling), against: None })
            .collect();
        let ticket = backend.submit(&batch, Capture::Logits).unwrap();
        let together = backend.poll(ticket, Wait::Done).unwrap().unwrap();
        for i in 0..3 {
            let alone = read(&mut backend, &texts[i], &policies[i], 64);
            prop_assert_eq!(bits(&alone, 384), bits(&together.rows[i..=i], 384));
            prop_assert_eq!(picks(&alone), picks(&together.rows[i..=i]));
        }
    }
}

/// A pass stopped after any layer and taken up again from its residual stream is the whole pass.
#[test]
fn a_pass_can_start_at_any_layer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fixtures/qwen2_moe");
    let checkpoint = checkpoint::open(&Source::Folder(folder)).unwrap();
    let model = Model::new(checkpoint.spec.clone(), &checkpoint.weights, Cpu::default()).unwrap();
    let (tokens, policy): (Vec<_>, _) = (
        (9..20).map(|it| ops::Input::Known(TokenId(it))).collect(),
        RoutingPolicy::default(),
    );
    let rows = 0..tokens.len();
    let spans = [ops::BatchSpan {
        rows: rows.clone(),
        start: Position(0),
        policy: &policy,
    }];
    let batch = Batch {
        tokens: &tokens,
        spans: &spans,
    };
    let rows: Vec<usize> = rows.collect();
    let n = model.layers.len();
    let bits = |tensor: <Cpu as ops::Ops>::Tensor| {
        let bits = tensor.data.iter().map(|it| it.to_bits());
        bits.collect::<Vec<_>>()
    };
    let mut whole = Sequence::new(&model);
    let out = forward(&model, &batch, &mut [&mut whole], None, 0..n);
    let want = bits(model.logits(&out.residual, &rows));
    for layer in 0..=n {
        let mut sequence = Sequence::new(&model);
        let below = forward(&model, &batch, &mut [&mut sequence], None, 0..layer);
        let above = forward(
            &model,
            &batch,
            &mut [&mut sequence],
            Some(below.residual),
            layer..n,
        );
        assert_eq!(
            bits(model.logits(&above.residual, &rows)),
            want,
            "from layer {layer} on"
        );
        assert_eq!(
            below.routers.len() + above.routers.len(),
            model.spec.routers.len()
        );
    }
}

/// What a step that ended half-way left in the caches of some layers is forgotten with it.
#[test]
fn a_sequence_that_is_cut_after_half_a_step_reads_as_if_it_had_never_begun_it() {
    let checkpoint = checkpoint::open(&Source::Bundled(Bundled::Tour)).unwrap();
    let model = Model::new(checkpoint.spec.clone(), &checkpoint.weights, Cpu::default()).unwrap();
    let policy = RoutingPolicy::default();
    let read = |sequence: &mut Sequence<Cpu>, ids: &[u32], n_layers: usize| {
        let tokens: Vec<_> = ids
            .iter()
            .map(|it| ops::Input::Known(TokenId(*it)))
            .collect();
        let spans = [ops::BatchSpan {
            rows: 0..tokens.len(),
            start: Position::new(sequence.len),
            policy: &policy,
        }];
        let batch = Batch {
            tokens: &tokens,
            spans: &spans,
        };
        let out = forward(&model, &batch, &mut [sequence], None, 0..n_layers);
        let logits = model.logits(&out.residual, &[tokens.len() - 1]).data;
        logits.iter().map(|it| it.to_bits()).collect::<Vec<_>>()
    };
    let n = model.layers.len();
    let mut whole = Sequence::new(&model);
    read(&mut whole, &[1, 40, 60], n);
    let want = read(&mut whole, &[30, 90], n);
    let mut broken = Sequence::new(&model);
    read(&mut broken, &[1, 40, 60], n);
    read(&mut broken, &[7, 8, 9], n / 2);
    broken.truncate(&model.ops, 3);
    assert_eq!(read(&mut broken, &[30, 90], n), want);
}

/// The machinery itself is free of effect: an empty list, and one that adds nothing.
#[test]
fn a_list_that_does_nothing_changes_no_bit() {
    let mut backend = backend();
    let tokens: Vec<TokenId> = (3..20).map(TokenId).collect();
    let plain = read(&mut backend, &tokens, &RoutingPolicy::default(), 17);
    for edits in [
        vec![],
        vec!["bias:*.0=0".to_owned()],
        vec!["select:*.3=0".to_owned()],
        vec!["k:*=2".to_owned()],
        vec!["mask:1.2@40..".to_owned()],
    ] {
        let policy = lower(&backend, &edits).unwrap();
        assert_eq!(
            bits(&plain, 384),
            bits(&read(&mut backend, &tokens, &policy, 17), 384),
            "{edits:?}"
        );
    }
}

/// A counterfactual beside its baseline: exactly 0 before the first edited position, and what two passes over
/// the same tokens say after it.
#[test]
fn a_comparison_is_that_of_two_passes() {
    let mut backend = backend();
    let tokens: Vec<TokenId> = (40..64).map(TokenId).collect();
    let policy = lower(
        &backend,
        &["mask:0.0@7..".to_owned(), "bias:2.3=1.5@9..".to_owned()],
    )
    .unwrap();
    let none = RoutingPolicy::default();
    let (a, b) = (
        read(&mut backend, &tokens, &none, 24),
        read(&mut backend, &tokens, &policy, 24),
    );
    let (base, counterfactual) = (backend.open(), backend.open());
    let row = |seq, policy, against| Row {
        seq,
        feed: Feed::Tokens(&tokens),
        next: Some(TokenId(1)),
        policy,
        sampling: None,
        against,
    };
    let ticket = backend
        .submit(
            &[
                row(base, &none, None),
                row(counterfactual, &policy, Some(0)),
            ],
            Capture::Trace,
        )
        .unwrap();
    let step = backend.poll(ticket, Wait::Done).unwrap().unwrap();
    let softmax = |z: &[f32]| {
        let sum: f64 = z.iter().map(|it| f64::from(*it).exp()).sum();
        z.iter()
            .map(|it| f64::from(*it) - sum.ln())
            .collect::<Vec<f64>>()
    };
    assert!(
        step.rows[1].comparisons.iter().any(|it| it.kl > 1e-3),
        "these edits change nothing"
    );
    for (t, comparison) in step.rows[1].comparisons.iter().enumerate() {
        let (p, q) = (
            softmax(&a[0].logits[t * 384..(t + 1) * 384]),
            softmax(&b[0].logits[t * 384..(t + 1) * 384]),
        );
        let kl: f64 = p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum();
        let next = tokens.get(t + 1).copied().unwrap_or(TokenId(1));
        let rank = |z: &[f64]| 1 + z.iter().filter(|it| **it > z[next.idx()]).count();
        assert_eq!(comparison.at, Position::new(t));
        assert!(
            (f64::from(comparison.kl) - kl).abs() < 1e-4,
            "at {t}: {} against {kl}",
            comparison.kl
        );
        let (there, here) = (comparison.baseline.unwrap(), comparison.edited.unwrap());
        assert!(
            (f64::from(there.log_prob) - p[next.idx()]).abs() < 1e-4
                && (f64::from(here.log_prob) - q[next.idx()]).abs() < 1e-4
        );
        assert_eq!(
            (there.rank as usize, here.rank as usize),
            (rank(&p), rank(&q))
        );
        assert!(t >= 7 || comparison.kl.to_bits() == 0, "at {t}");
    }
}
