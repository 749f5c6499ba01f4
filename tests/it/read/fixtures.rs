//! Every weight of every fixture is read: with another in its place, other logits come out.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use moescope::checkpoint::{self, Blob, Checkpoint, LayerSlot, Slot, Source, WeightView, Weights};
use moescope::engine::{Backend, LiveBackend, StepRow};
use moescope::formats::Dtype;
use moescope::model::Model;
use moescope::ops::Cpu;
use moescope::spec::{ExpertId, LayerId, RouterId, Site, StackId, TokenId};
use moescope::trace::StepTrace;
use safetensors::SafeTensors;

use super::{bits, read_on};

/// Tokens of a text at most.
const N_TOKENS: usize = 24;

/// Factors on the numbers of a weight in turn: a little of another, and quite another, which what only chooses may
/// need.
const FACTORS: [[f32; 2]; 2] = [[1.5, 0.75], [-4.0, 3.0]];

/// Weights that change nothing of what these texts come to: fixture and slot. None today.
const UNREAD: [&str; 0] = [];

/// What a model made of some texts: the bits of its logits, and what its routers did, text after text.
struct Made {
    logits: Vec<u32>,
    traces: Vec<StepTrace>,
}

impl Made {
    fn of(opened: &Checkpoint, weights: &Weights, texts: &[Vec<TokenId>]) -> Self {
        let model = Model::new(opened.spec.clone(), weights, Cpu::default()).unwrap();
        let mut backend = LiveBackend::new(model, opened.spec.n_out());
        let seq = backend.open();
        let rows = texts.iter().map(|it| read_on(&mut backend, seq, it));
        let rows: Vec<StepRow> = rows.collect();
        Self {
            logits: rows.iter().flat_map(bits).collect(),
            traces: rows.into_iter().map(|it| it.trace).collect(),
        }
    }

    /// Whether an expert worked on any of the tokens.
    fn has_chosen(&self, router: RouterId, expert: u16) -> bool {
        self.traces.iter().any(|it| {
            let router = &it.routers[router.idx()];
            (0..router.n_rows()).any(|row| router.has_pick(row, ExpertId(expert)))
        })
    }

    /// The bits of what selected, of every token.
    fn selected(&self, router: RouterId) -> Vec<u32> {
        let rows = self.traces.iter();
        let rows = rows.flat_map(|it| &it.routers[router.idx()].selection);
        rows.map(|it| it.to_bits()).collect()
    }
}

/// Another weight of the same shape.
fn other(weight: &WeightView, factors: [f32; 2]) -> WeightView {
    let mut numbers = weight.to_f32();
    for (i, x) in numbers.iter_mut().enumerate() {
        *x *= factors[i % 2];
    }
    if numbers.iter().all(|it| *it == 0.0) {
        numbers.fill(0.5);
    }
    let words = numbers.iter().map(|it| it.to_bits()).collect();
    let (rows, cols) = weight.shape();
    WeightView::new(&Blob::Memory(Arc::new(words)), 0, Dtype::F32, rows, cols).unwrap()
}

/// What a fixture's reference was given: of two stacks a source and a text, else a text or a series.
fn given(folder: &Path) -> Vec<Vec<TokenId>> {
    let bytes = fs::read(folder.join("expected.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let ids = |name| {
        let ids = file.tensor(name).ok()?.data().as_chunks::<8>().0.iter();
        let ids = ids.map(|it| TokenId::new(usize::from_le_bytes(*it)));
        Some(ids.take(N_TOKENS).collect())
    };
    let points = |name| {
        let points = file.tensor(name).ok()?.data().as_chunks::<4>().0.iter();
        let points = points.map(|it| TokenId::of_point(f32::from_le_bytes(*it)));
        Some(points.take(N_TOKENS).collect())
    };
    let all = [ids("input_ids"), ids("decoder_input_ids"), points("series")];
    all.into_iter().flatten().collect()
}

/// The part of a layer that a slot is.
fn place(slot: Slot) -> Option<((StackId, LayerId), LayerSlot)> {
    match slot {
        Slot::Layer(layer, part) => Some(((StackId::Decoder, layer), part)),
        Slot::Encoder(layer, part) => Some(((StackId::Encoder, layer), part)),
        _ => None,
    }
}

fn open(folder: &Path) -> Checkpoint {
    checkpoint::open(&Source::Folder(folder.to_owned())).unwrap()
}

/// Every weight of a fixture that is not read, as its slot is written. An expert that no token chose is not asked for.
fn unread(opened: &Checkpoint, texts: &[Vec<TokenId>]) -> Vec<String> {
    let before = Made::of(opened, &opened.weights, texts);
    let router_of = |slot, site| {
        let ((stack, layer), _) = place(slot)?;
        opened.spec.router_at(stack, layer, site)
    };
    let is_read = |slot: Slot, weight: &WeightView| {
        let part = place(slot).map(|it| it.1);
        let chooser = match part {
            Some(LayerSlot::Expert(e, _)) => Some((Site::Ffn, e)),
            Some(LayerSlot::AttentionExpert(e, _)) => Some((Site::Attention, e)),
            _ => None,
        };
        if let Some((site, expert)) = chooser
            && !before.has_chosen(router_of(slot, site).unwrap(), expert)
        {
            return true;
        }
        FACTORS.iter().any(|factors| {
            let mut changed = opened.weights.clone();
            changed.insert(slot, other(weight, *factors));
            let after = Made::of(opened, &changed, texts);
            if part == Some(LayerSlot::SelectBias) {
                // It moves a choice only where that is close, but what selects always.
                let router = router_of(slot, Site::Ffn).unwrap();
                return after.selected(router) != before.selected(router);
            }
            after.logits != before.logits
        })
    };
    let slots = opened.weights.iter();
    let slots = slots.filter(|(slot, weight)| !is_read(**slot, weight));
    let mut unread: Vec<String> = slots.map(|it| format!("{:?}", it.0)).collect();
    unread.sort();
    unread
}

/// All fixtures, in the order of their names.
fn fixtures() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fixtures");
    let folders = fs::read_dir(all).unwrap().map(|it| it.unwrap().path());
    let mut folders: Vec<PathBuf> = folders.collect();
    folders.sort();
    folders
}

/// Fixtures are shared among the cores, each taken when one is free.
#[test]
fn every_weight_of_every_fixture_is_read() {
    let folders = fixtures();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Vec::new();
        while let Some(folder) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
            let name = folder.file_name().unwrap().to_str().unwrap();
            let slots = unread(&open(folder), &given(folder));
            found.extend(slots.into_iter().map(|it| format!("{name} {it}")));
        }
        found
    };
    let n_workers = thread::available_parallelism().map_or(1, usize::from);
    let mut found: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..n_workers).map(|_| scope.spawn(work)).collect();
        let found = workers.into_iter().map(|it| it.join().unwrap());
        found.flatten().collect()
    });
    found.sort();
    assert_eq!(found, UNREAD);
}

#[test]
fn a_weight_that_nothing_reads_is_found() {
    let folder = &fixtures()[0];
    let mut opened = open(folder);
    let norm = opened.weights.iter().find(|it| *it.0 == Slot::FinalNorm);
    let norm = norm.unwrap().1.clone();
    opened.weights.insert(Slot::EmbeddingGate, norm);
    assert_eq!(unread(&opened, &given(folder)), ["EmbeddingGate"]);
}
