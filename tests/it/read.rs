//! A tensor that a checkpoint's slots are filled with is read by the forward pass.

mod fixtures;

use std::{path::Path, sync::Arc};

use moescope::checkpoint::{self, Blob, Bundled, LayerSlot, Slot, Source, WeightView, Weights};
use moescope::engine::{Backend, Capture, Feed, LiveBackend, Row, StepRow, Wait};
use moescope::formats::Dtype;
use moescope::model::Model;
use moescope::ops::{Cpu, Ops};
use moescope::spec::{Ffn, LayerId, ModelSpec, RoutingPolicy, Score, SeqId, TokenId};

use super::tiny::{FAMILIES, Tiny, V};

/// What a model makes of a text read at once, with all logits.
pub fn whole<O: Ops>(model: Model<O>, tokens: &[TokenId]) -> StepRow
where
    LiveBackend<O>: Backend,
{
    let n_vocab = model.spec.n_vocab;
    text(&mut LiveBackend::new(model, n_vocab), tokens)
}

/// What a backend makes of a text read at once, with all logits.
pub fn text(backend: &mut impl Backend, tokens: &[TokenId]) -> StepRow {
    let seq = backend.open();
    read_on(backend, seq, tokens)
}

/// What a backend makes of the next tokens of a sequence, read at once, with all logits.
fn read_on(backend: &mut impl Backend, seq: SeqId, tokens: &[TokenId]) -> StepRow {
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
    step.rows.into_iter().next().unwrap()
}

/// What the CPU makes of a text of so many tokens.
fn read(spec: &ModelSpec, weights: &Weights, n_tokens: usize) -> StepRow {
    let model = Model::new(spec.clone(), weights, Cpu::default()).unwrap();
    let tokens: Vec<TokenId> = (0..n_tokens).map(|t| TokenId::new(t * 7 % V)).collect();
    whole(model, &tokens)
}

fn bits(row: &StepRow) -> Vec<u32> {
    row.logits.iter().map(|it| it.to_bits()).collect()
}

/// Another tensor of that name and shape.
fn other(tensor: &[u8]) -> Vec<u8> {
    let numbers = tensor.chunks_exact(2).enumerate();
    let changed = numbers.map(|(i, it)| {
        let bits = u32::from(u16::from_le_bytes([it[0], it[1]])) << 16;
        let x = f32::from_bits(bits) * if i % 2 == 0 { 1.5 } else { 0.75 };
        ((x.to_bits() >> 16) as u16).to_le_bytes()
    });
    changed.flatten().collect()
}

/// Every tensor of a family's checkpoint that changes nothing when it is another.
fn unread(family: &str) -> Vec<String> {
    let tiny = Tiny::of(family);
    let logits = |tiny: &Tiny| {
        let folder = tiny.save();
        let opened = checkpoint::open(&Source::Folder(folder.path().to_owned())).unwrap();
        bits(&read(&opened.spec, &opened.weights, 40))
    };
    let before = logits(&tiny);
    let names: Vec<String> = tiny.tensors.keys().cloned().collect();
    let changes_nothing = |name: &String| {
        let mut changed = tiny.clone();
        let tensor = changed.tensors.get_mut(name).unwrap();
        tensor.bytes = other(&tensor.bytes);
        logits(&changed) == before
    };
    names.into_iter().filter(changes_nothing).collect()
}

#[test]
fn every_tensor_that_is_bound_is_read() {
    for family in FAMILIES {
        // No exception today; one would be listed here by name.
        assert_eq!(unread(family), Vec::<String>::new(), "{family}");
    }
}

#[test]
fn a_selection_bias_chooses_and_weighs_nothing() {
    let tour = checkpoint::open(&Source::Bundled(Bundled::Tour)).unwrap();
    let (mut spec, mut weights) = (tour.spec.clone(), tour.weights.clone());
    let router = &mut spec.routers[0];
    (router.select_bias, router.score) = (true, Score::Sigmoid);
    let n_experts = router.n_experts;
    let layer = router.place.layer;
    let mut with = |bias: &[f32]| {
        let words: Vec<u32> = bias.iter().map(|it| it.to_bits()).collect();
        let blob = Blob::Memory(Arc::new(words));
        let view = WeightView::new(&blob, 0, Dtype::F32, 1, bias.len()).unwrap();
        weights.insert(Slot::Layer(layer, LayerSlot::SelectBias), view);
        read(&spec, &weights, 8).trace.routers.swap_remove(0)
    };
    let plain = with(&vec![0.0; n_experts]);
    // An expert that sigmoid scores, all below 1, cannot win against.
    let mut bias = vec![0.0; n_experts];
    bias[5] = 1.0;
    let biased = with(&bias);
    for row in 0..8 {
        let weight = |trace: &moescope::trace::RouterTrace| {
            let mut picks = trace.picks_of(row);
            picks.find(|it| it.expert.idx() == 5).map(|it| it.weight)
        };
        let score_of = |e: usize| 1.0 / (1.0 + (-plain.logits_of(row).unwrap()[e]).exp());
        let score = score_of(5);
        // The Tour divides by the sum of the scores chosen: no bias is in it.
        let chosen = biased.picks_of(row);
        let sum: f32 = chosen.map(|it| score_of(it.expert.idx())).sum();
        let given = weight(&biased).expect("chosen for every token");
        let wanted = score / sum;
        assert!((given - wanted).abs() < 1e-5, "{given}, not {wanted}");
        let selection = biased.selection[row * n_experts + 5];
        assert!(
            (selection - score - 1.0).abs() < 1e-6,
            "{selection} {score}"
        );
    }
    assert_eq!(layer, LayerId(0));
}

/// Twice what experts read makes four times of what networks of relu² put out, to the bit.
#[test]
fn experts_in_a_width_of_their_own_stand_between_two_matrices() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fixtures/nemotron_h");
    let opened = checkpoint::open(&Source::Folder(folder)).unwrap();
    let (mut spec, mut weights) = (opened.spec.clone(), opened.weights.clone());
    let h = spec.d_model;
    let diagonal = |value: f32| {
        let number = |i: usize| if i / h == i % h { value } else { 0.0 };
        let words = (0..h * h).map(|i| number(i).to_bits()).collect();
        WeightView::new(&Blob::Memory(Arc::new(words)), 0, Dtype::F32, h, h).unwrap()
    };
    for (l, layer) in spec.layers.iter_mut().enumerate() {
        if let Ffn::Moe(moe) = &mut layer.ffn {
            moe.latent = Some(h);
            for (slot, value) in [(LayerSlot::LatentIn, 2.0), (LayerSlot::LatentOut, 0.25)] {
                weights.insert(Slot::Layer(LayerId::new(l), slot), diagonal(value));
            }
        }
    }
    let plain = read(&opened.spec, &opened.weights, 24);
    assert_eq!(bits(&read(&spec, &weights, 24)), bits(&plain));
}
