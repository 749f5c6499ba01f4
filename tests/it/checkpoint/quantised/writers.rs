//! What the writers of quantised checkpoints themselves wrote (`tests/golden/writers`), against their own decoders.

use std::path::{Path, PathBuf};

use super::{logits, opened};

/// A folder of `tests/golden/writers`, and how its first matrix is called.
const WRITTEN: [(&str, &str); 23] = [
    ("awq_int4", "awq int4 by 32"),
    ("awq_int4_gptqmodel", "awq int4 by 32"),
    ("compressed_fp8", "fp8 per row"),
    ("compressed_fp8_block", "fp8 32×32"),
    ("compressed_int4", "int4 by 32"),
    ("compressed_int4_zeros", "int4 by 32"),
    ("compressed_int8", "int8 per row"),
    ("compressed_int8_packed", "int8 per row"),
    ("compressed_mxfp4", "mxfp4 by 32"),
    ("compressed_nvfp4", "nvfp4 by 16"),
    ("gptq_int4_auto", "gptq int4 by 32"),
    ("gptq_int4_order", "gptq int4 by 32"),
    ("gptq_int4_zeros", "gptq int4 by 32"),
    ("gptq_int8_zeros", "gptq int8 by 32"),
    ("gptq_v2_int4", "gptq int4 by 32"),
    ("gptq_v2_int8", "gptq int8 by 32"),
    ("mlx_int4", "mlx int4 by 64"),
    ("mlx_int8", "mlx int8 by 32"),
    ("mlx_mxfp4", "mlx mxfp4 by 32"),
    ("mlx_mxfp8", "mlx mxfp8 by 32"),
    ("mlx_nvfp4", "mlx nvfp4 by 16"),
    ("modelopt_fp8", "fp8 per tensor"),
    ("modelopt_nvfp4", "nvfp4 by 16"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/writers")
}

#[test]
fn every_folder_is_in_the_list() {
    let names = folder().read_dir().unwrap();
    let mut names: Vec<String> = names
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, WRITTEN.map(|it| it.0));
}

#[test]
fn files_of_the_writers_are_the_numbers_that_they_decode() {
    for (name, label) in WRITTEN {
        let packed = folder().join(name);
        let (it, decoded) = (opened(&packed), opened(&packed.join("decoded")));
        assert!(
            it.formats.iter().any(|it| it == label),
            "{name} {:?}",
            it.formats
        );
        let mut n_packed = 0;
        for (slot, view) in it.weights.iter() {
            let numbers = decoded.weights.get(*slot).unwrap();
            assert_eq!(view.shape(), numbers.shape(), "{name} {slot:?}");
            assert!(view.to_f32() == numbers.to_f32(), "{name} {slot:?}");
            n_packed += usize::from(view.format_label() == label);
        }
        assert!(n_packed >= 7, "{name} {n_packed}");
        let numbers = logits(&packed);
        assert!(numbers == logits(&packed.join("decoded")), "{name}");
        #[cfg(feature = "gpu")]
        super::device::check(&it, &numbers, label);
    }
}
