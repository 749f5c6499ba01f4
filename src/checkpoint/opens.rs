//! Tests on real files: the bundled model and the fixtures of three families.

use std::path::{Path, PathBuf};

use super::{
    Bundled, Checkpoint, LatentSlot, LayerSlot, Part, Slot, Source, cache_bytes_per_position, open,
};
use crate::spec::{Ffn, LayerId, Mask, Mixer, Renorm, Score, TokenId, Weight};

fn fixture(name: &str) -> Checkpoint {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/fixtures")
        .join(name);
    open(&Source::Folder(folder)).unwrap()
}

fn is_aligned(it: &Checkpoint) -> bool {
    it.weights.iter().all(|(_, weight)| weight.is_aligned())
}

fn tour() -> Checkpoint {
    open(&Source::Bundled(Bundled::Tour)).unwrap()
}

#[test]
fn the_bundled_model_opens_without_a_copy() {
    let tour = tour();
    assert_eq!(tour.name, "Tour");
    assert_eq!(tour.spec.routers.len(), 6);
    assert!(tour.spec.head.tied);
    assert_eq!(tour.eos, [TokenId(0)]);
    assert!(is_aligned(&tour));
    assert_eq!(cache_bytes_per_position(&tour.spec), 6 * 2 * 5 * 32 * 4);
    assert!(tour.notes.is_empty(), "{:?}", tour.notes);
}

#[test]
fn the_collapsed_tour_has_the_same_shape_and_other_weights() {
    let (tour, collapsed) = (
        tour(),
        open(&Source::Bundled(Bundled::TourCollapsed)).unwrap(),
    );
    assert_eq!(collapsed.name, "Tour collapsed");
    assert_eq!(collapsed.spec, tour.spec);
    assert!(is_aligned(&collapsed));
    assert!(collapsed.notes.is_empty(), "{:?}", collapsed.notes);
    let slot = Slot::Layer(LayerId(2), LayerSlot::Router);
    let gate = |it: &Checkpoint| it.weights.get(slot).unwrap().to_f32();
    assert_ne!(gate(&collapsed), gate(&tour));
}

#[test]
fn a_prompt_has_one_bos_though_a_setting_asks_for_another() {
    let tour = tour();
    let bytes = include_bytes!("../../assets/models/tour/expected.safetensors");
    let expected = safetensors::SafeTensors::deserialize(bytes).unwrap();
    let want: Vec<TokenId> = expected
        .tensor("input_ids")
        .unwrap()
        .data()
        .chunks_exact(8)
        .map(|it| TokenId::new(i64::from_le_bytes(it.try_into().unwrap()) as usize))
        .collect();
    let codec = tour.codec.unwrap();
    let text = "Once upon a time, there was a little";
    assert_eq!(codec.encode(text).unwrap(), want);
    assert_eq!(codec.decode(&want), text);
    assert_eq!(codec.bos(), Some(TokenId(0)));
    let pieces: Vec<u8> = want[1..]
        .iter()
        .flat_map(|it| codec.token_table().pieces[it.idx()].clone())
        .collect();
    assert_eq!(String::from_utf8(pieces).unwrap(), text);
}

#[test]
fn mixtral_opens() {
    let it = fixture("mixtral");
    let router = &it.spec.routers[2];
    assert_eq!((router.n_experts, router.top_k), (8, 2));
    assert_eq!(router.renorm, Renorm::Sum { eps: 0.0, min: 0.0 });
    let Mixer::Gqa(attn) = &it.spec.layers[0].mixer else {
        panic!("not attention");
    };
    assert_eq!((attn.n_heads, attn.n_kv_heads, attn.head_dim), (4, 2, 16));
    assert_eq!(attn.mask, Mask::Causal);
    let down = Slot::Layer(LayerId(2), LayerSlot::Expert(7, Part::Down));
    assert_eq!(it.weights.get(down).unwrap().shape(), (64, 80));
    assert!(it.weights.get(Slot::Head).is_some());
}

#[test]
fn qwen2_opens_from_three_shards() {
    let it = fixture("qwen2_moe");
    assert!(matches!(it.spec.layers[1].ffn, Ffn::Dense(_)));
    assert_eq!(it.spec.routers.len(), 2);
    assert_eq!(it.spec.routers[1].place.layer, LayerId(2));
    assert_eq!(it.spec.routers[1].renorm, Renorm::None);
    let Ffn::Moe(moe) = &it.spec.layers[2].ffn else {
        panic!("no experts");
    };
    assert_eq!(moe.shared.unwrap().mlp.d_ff, 72);
    let gate = Slot::Layer(LayerId(2), LayerSlot::SharedGate);
    assert_eq!(it.weights.get(gate).unwrap().shape(), (1, 64));
    let bias = Slot::Layer(LayerId(0), LayerSlot::KBias);
    assert_eq!(it.weights.get(bias).unwrap().shape(), (1, 32));
}

#[test]
fn granite_experts_are_rows_of_one_tensor() {
    let it = fixture("granitemoeshared");
    let router = &it.spec.routers[0];
    assert_eq!(
        (router.score, router.weight),
        (Score::Logit, Weight::SoftmaxOverTopK)
    );
    let part = |slot| it.weights.get(Slot::Layer(LayerId(1), slot)).unwrap();
    let (gate, up) = (
        part(LayerSlot::Expert(3, Part::Gate)),
        part(LayerSlot::Expert(3, Part::Up)),
    );
    assert_eq!((gate.shape(), up.shape()), ((48, 64), (48, 64)));
    assert_ne!(gate.to_f32(), up.to_f32());
    assert_eq!(part(LayerSlot::Expert(7, Part::Down)).shape(), (64, 48));
    assert_eq!(part(LayerSlot::Shared(Part::Up)).shape(), (64, 64));
    assert!(is_aligned(&it));
}

#[test]
fn latent_attention_keeps_one_row_a_position() {
    let it = fixture("glm4_moe_lite");
    assert_eq!(cache_bytes_per_position(&it.spec), 3 * (24 + 8) * 4);
    let indexed = fixture("deepseek_v32");
    let row = 24 + 8 + 16;
    assert_eq!(cache_bytes_per_position(&indexed.spec), 3 * row * 4);
    let up = LayerSlot::Latent(LatentSlot::Up);
    let up = it.weights.get(Slot::Layer(LayerId(1), up)).unwrap();
    assert_eq!(up.shape(), (4 * (16 + 20), 24));
    let drafts = it.notes.iter().any(|it| it.contains("drafts later tokens"));
    assert!(drafts, "{:?}", it.notes);
}

#[test]
fn made_up_models_have_the_real_shapes() {
    let it = Checkpoint::synthetic("tour", Some(2), 7, false).unwrap();
    assert_eq!(it.spec.layers.len(), 2);
    let real = tour();
    for (slot, weight) in it.weights.iter() {
        assert_eq!(weight.shape(), real.weights.get(*slot).unwrap().shape());
        let numbers = weight.to_f32();
        assert!(numbers.iter().all(|it| it.abs() <= 1.0));
        assert!(numbers.iter().any(|it| *it != 0.0));
    }
}
