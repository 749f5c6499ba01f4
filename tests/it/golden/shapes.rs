//! Two stacks and a series in other shapes than the fixtures', against the forward of `tests/golden/edits.py`, and what
//! holds of every shape.

use std::{collections::BTreeMap, fs};

use safetensors::{SafeTensors, tensor::TensorView};

use super::*;

fn shapes() -> Vec<PathBuf> {
    let all = fs::read_dir(root().join("tests/golden/shapes")).unwrap();
    let all: Vec<PathBuf> = all.map(|it| it.unwrap().path()).collect();
    assert!(all.len() >= 6, "{all:?}");
    all
}

#[test]
fn other_shapes_of_two_stacks_and_a_series_equal_the_reference() {
    for folder in shapes() {
        check_folder(&folder, "cpu");
    }
}

#[cfg(feature = "gpu")]
#[test]
fn the_graphics_processor_equals_the_reference_in_other_shapes_of_two_stacks_and_a_series() {
    for folder in shapes() {
        check_folder(&folder, "gpu");
    }
}

/// Experts in another order, gates and all: the same model.
fn turned(folder: &Path) -> (tempfile::TempDir, usize) {
    let out = tempfile::tempdir().unwrap();
    fs::copy(folder.join("config.json"), out.path().join("config.json")).unwrap();
    let config: Value =
        serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap();
    let n = config["num_experts"].as_u64().unwrap() as usize;
    let bytes = fs::read(folder.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut all: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (name, view) in file.tensors() {
        let (shape, mut data) = (view.shape().to_vec(), view.data().to_vec());
        let of_gate = name.contains("router.classifier") || name.ends_with("ffn_layer.gate.weight");
        if of_gate {
            let row = data.len() / n;
            data.rotate_right(row);
        }
        let mark = ["experts.expert_", "experts."]
            .into_iter()
            .find(|it| name.contains(it));
        let name = match mark {
            None => name,
            Some(mark) => {
                let (before, rest) = name.split_once(mark).unwrap();
                let (e, after) = rest.split_once('.').unwrap();
                let e = (e.parse::<usize>().unwrap() + 1) % n;
                format!("{before}{mark}{e}.{after}")
            }
        };
        all.insert(name, (shape, data));
    }
    let views = all.iter().map(|(name, (shape, data))| {
        (
            name,
            TensorView::new(Dtype::F32, shape.clone(), data).unwrap(),
        )
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    fs::write(out.path().join("model.safetensors"), bytes).unwrap();
    (out, n)
}

#[test]
fn experts_in_another_order_are_chosen_in_that_order_and_say_the_same() {
    for folder in shapes() {
        let expected = read(&folder.join("expected.safetensors"));
        let (other, n) = turned(&folder);
        let want = eval(&folder, &expected, &[], "cpu", &[]);
        let got = eval(other.path(), &expected, &[], "cpu", &[]);
        let mut n_experts = 0;
        for (name, want) in &want {
            match (&got[name], want) {
                (Array::Ids(_, got), Array::Ids(_, want)) if name.starts_with("expert.") => {
                    let next = |it: &i64| if *it < 0 { -1 } else { (it + 1) % n as i64 };
                    assert_eq!(*got, want.iter().map(next).collect::<Vec<_>>(), "{name}");
                    n_experts += 1;
                }
                (Array::Ids(shape, got), Array::Ids(_, want)) if name.starts_with("topk_ids") => {
                    let k = shape[1];
                    for (got, want) in got.chunks(k).zip(want.chunks(k)) {
                        let mut want: Vec<i64> =
                            want.iter().map(|it| (it + 1) % n as i64).collect();
                        want.sort_unstable();
                        assert_eq!(got, want, "{name}");
                    }
                    n_experts += 1;
                }
                (Array::Numbers(_, got), Array::Numbers(_, want))
                    if name.starts_with("logits") || name.starts_with("forecast") =>
                {
                    let pairs = got.iter().zip(want);
                    let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    assert!(worst < 1e-4, "{name} off by {worst}");
                }
                _ => {}
            }
        }
        assert!(n_experts > 0, "{}", folder.display());
    }
}
