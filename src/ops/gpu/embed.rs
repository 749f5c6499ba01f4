//! Rows of the embedding table, by ids from the host or drawn on the device. The kernel is
//! `kernels/embed.wgsl`, the reference `src/ops/cpu/embed.rs`.

use bytemuck::{Pod, Zeroable};

use super::{
    device::Gpu, memory::Slice, packing::RowLayout, pipeline::Bind, tensor::GpuTensor,
    weight::GpuWeight,
};
use crate::spec::TokenId;

/// What a row is fed.
#[derive(Clone, Debug)]
pub enum Fed {
    /// A token the host knows.
    Known(TokenId),
    /// The word `place` of `drawn`, which a kernel wrote or will have written by then.
    Drawn {
        /// Token ids, u32.
        drawn: Slice,
        /// Which of them.
        place: usize,
    },
}

/// Mirrors `Params` of the kernel.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    row_units: u32,
    scales_at: u32,
    n_rows: u32,
    first_row: u32,
    n_table: u32,
    n_cols: u32,
    scale: f32,
}

/// Token ids in one region, and the rows that are fed from it: where the id lies, which row it is.
struct IdSource {
    ids: Slice,
    places: Vec<[u32; 2]>,
}

/// Rows of the table times `scale`: `[T, H]`. A token beyond the table is a row of zeros.
pub fn embed(gpu: &Gpu, table: &GpuWeight, tokens: &[Fed], scale: f32) -> GpuTensor {
    let out = gpu.tensor(tokens.len(), table.cols);
    for source in sources(gpu, tokens) {
        let places = gpu.upload(&source.places);
        for shard in &table.shards {
            // A row each, at most: which shard has it is not known where it was drawn.
            let row_bytes = RowLayout::of(shard.format).row_bytes(table.cols) as u64;
            let n_bytes = shard
                .slice
                .n_bytes
                .min(row_bytes * source.places.len() as u64);
            let binds = [
                Bind::ReadSome(&shard.slice, n_bytes),
                Bind::Read(&source.ids),
                Bind::Read(&places),
                Bind::WriteSome(&out.slice, (4 * table.cols * source.places.len()) as u64),
            ];
            let grid = [source.places.len() as u32, 1, 1];
            gpu.launch(
                &shard.launch("embed", "embed", &binds, grid),
                &Params {
                    row_units: shard.row_units as u32,
                    scales_at: shard.scales_at,
                    n_rows: shard.rows as u32,
                    first_row: shard.first_row as u32,
                    n_table: table.rows as u32,
                    n_cols: table.cols as u32,
                    scale,
                },
            );
        }
    }
    out
}

fn sources(gpu: &Gpu, tokens: &[Fed]) -> Vec<IdSource> {
    let (mut known, mut places) = (Vec::new(), Vec::new());
    let mut out: Vec<IdSource> = Vec::new();
    for (row, token) in tokens.iter().enumerate() {
        let row = row as u32;
        match token {
            Fed::Known(token) => {
                places.push([known.len() as u32, row]);
                known.push(token.0);
            }
            Fed::Drawn { drawn, place } => {
                let is_same = |it: &&mut IdSource| {
                    it.ids.held.id == drawn.held.id && it.ids.start == drawn.start
                };
                let place = [*place as u32, row];
                match out.iter_mut().find(is_same) {
                    Some(it) => it.places.push(place),
                    None => out.push(IdSource {
                        ids: drawn.clone(),
                        places: vec![place],
                    }),
                }
            }
        }
    }
    if !known.is_empty() {
        let ids = gpu.upload(&known);
        out.push(IdSource { ids, places });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::Dtype;
    use crate::ops::CpuWeight;
    use crate::ops::cpu::embed::embed as reference;
    use crate::ops::gpu::testing::{
        bits, from_bytes, gpus, numbers, pairs_of_f16, read, stored, whole_blocks,
    };
    use safetensors::SafeTensors;

    const IDS: [u32; 7] = [0, 40, 7, 40, 41, u32::MAX, 13];

    fn check(gpu: &Gpu, dtype: Dtype, cols: usize, tokens: &[Fed], shard_bytes: u64) {
        let view = stored(&numbers(41 * cols, 5), 41, dtype);
        let table = gpu.weight_in("table", &[&view], shard_bytes).unwrap();
        assert_eq!(table.shards.len() > 1, shard_bytes < 9000);
        let ids = IDS.iter().cycle().take(tokens.len());
        let ids: Vec<TokenId> = ids.copied().map(TokenId).collect();
        let want = reference(&CpuWeight::new(&[&view]), &ids, 1.5);
        let got = read(gpu, &embed(gpu, &table, tokens, 1.5));
        assert_eq!(bits(&got), bits(&want.data), "{} {cols}", dtype.label());
    }

    #[test]
    fn rows_of_the_table_are_those_of_the_reference() {
        for gpu in gpus() {
            let known = IDS.map(|it| Fed::Known(TokenId(it)));
            for dtype in Dtype::ALL {
                let cols = whole_blocks(64, dtype);
                check(&gpu, dtype, cols, &known, 1 << 20);
                check(&gpu, dtype, cols, &known, 700);
            }
            check(&gpu, Dtype::Bf16, 37, &known, 1 << 20);
            check(&gpu, Dtype::Bf16, 7, &known[..1], 1 << 20);
            let many: Vec<Fed> = known.iter().cycle().take(65).cloned().collect();
            check(&gpu, Dtype::F16, 129, &many, 1 << 20);
            check(&gpu, Dtype::F32, 1030, &known, 8999);
        }
    }

    /// What the kernels of one step drew, and rows fed from it and from the host.
    fn partly_drawn(gpu: &Gpu) -> [Fed; 7] {
        let [a, b] = [&[9, IDS[1], IDS[4]][..], &[IDS[5], IDS[2]]].map(|it| gpu.upload(it));
        let drawn = |from: &Slice, place| Fed::Drawn {
            drawn: from.clone(),
            place,
        };
        [
            Fed::Known(TokenId(IDS[0])),
            drawn(&a, 1),
            drawn(&b, 1),
            drawn(&a, 1),
            drawn(&a, 2),
            // Beyond the region too.
            drawn(&b, 1 << 20),
            Fed::Known(TokenId(IDS[6])),
        ]
    }

    #[test]
    fn a_row_is_fed_what_was_drawn_on_the_device() {
        for gpu in gpus() {
            check(&gpu, Dtype::Q8_0, 96, &partly_drawn(&gpu), 1 << 20);
            check(&gpu, Dtype::F16, 96, &partly_drawn(&gpu), 700);
        }
    }

    /// All there are but those that are no number, whose bits no driver promises.
    #[test]
    fn every_16_bit_float_is_widened_to_itself() {
        let all = (0..=u16::MAX).map(half::f16::from_bits);
        let all: Vec<f32> = all.filter(|it| !it.is_nan()).map(f32::from).collect();
        let view = stored(&all, 70, Dtype::F16);
        let rows: Vec<Fed> = (0..70).map(|it| Fed::Known(TokenId(it))).collect();
        for gpu in pairs_of_f16().as_flattened() {
            let table = gpu.weight_of("table", &[&view]).unwrap();
            let got = read(gpu, &embed(gpu, &table, &rows, 1.0));
            assert_eq!(bits(&got), bits(&all));
        }
    }

    /// Blocks of every format, edge cases first; `tests/golden/README.md` says where they are from.
    const BLOCKS: &[u8] = include_bytes!("../../../tests/golden/blocks.safetensors");

    /// Whether two numbers are one, or neighbours; what is not finite may be anything, and what is subnormal 0.
    fn is_near(got: f32, want: f32) -> bool {
        let is_tiny = |it: f32| it.abs() < f32::MIN_POSITIVE;
        let is_beside = got.to_bits().abs_diff(want.to_bits()) <= 1;
        !want.is_finite() || is_beside || (is_tiny(want) && is_tiny(got))
    }

    #[test]
    fn every_block_is_decoded_as_the_reference_decodes_it() {
        let file = SafeTensors::deserialize(BLOCKS).unwrap();
        for gpu in gpus() {
            let mut n_formats = 0;
            for dtype in Dtype::ALL {
                let name = dtype.label().to_uppercase();
                let all: Vec<u8> = (0..=u8::MAX).collect();
                let bytes = match file.tensor(&format!("{name}.blocks")) {
                    Ok(it) => it.data().to_vec(),
                    Err(_) if dtype == Dtype::F8E4M3 => all,
                    Err(_) => continue,
                };
                // One row of all of them, and each in a row of its own.
                let n = bytes.len() / dtype.block_bytes();
                for rows in [1, n] {
                    let cols = n / rows * dtype.block_numbers();
                    let view = from_bytes(&bytes, rows, cols, dtype);
                    let want = view.to_f32();
                    let tokens: Vec<Fed> =
                        (0..rows as u32).map(|it| Fed::Known(TokenId(it))).collect();
                    let table = gpu.weight_of("table", &[&view]).unwrap();
                    let got = read(&gpu, &embed(&gpu, &table, &tokens, 1.0));
                    for (i, (got, want)) in got.into_iter().zip(want).enumerate() {
                        assert!(
                            is_near(got, want),
                            "{name}: number {i} is {got:e}, not {want:e}"
                        );
                    }
                }
                n_formats += 1;
            }
            assert_eq!(n_formats, Dtype::ALL.len() - 1, "all but f32");
        }
    }
}
