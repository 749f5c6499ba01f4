//! The one list of kernels, and how a kernel's source is put together for an adapter.
//!
//! A kernel is one file of `kernels/`. What several share stands in `kernels/parts/` (how a
//! workgroup sums, the hash, the exponential) and `kernels/formats/` (how stored numbers become
//! f32), and is put before it. A part may exist twice, for adapters with and without a feature.

use std::borrow::Cow;

use super::{
    abilities::Abilities,
    formats::{Coding, device_format, plane_reader},
};
use crate::formats::Dtype;

/// A piece of source that several kernels share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourcePart {
    /// Sums and maxima over a workgroup of 256.
    Reduce,
    /// The reading of the weight's format.
    Format,
    /// Dot products with units of that format.
    Dot,
    /// Products with few rows of activations.
    Gemv,
    /// The hash and the logarithm of `ops::hash`.
    Hash,
    /// The exponential of `ops::cpu::exp`.
    Exp,
    /// What the kernels that read logits share.
    Logits,
    /// Where positions lie in the cache.
    Cached,
}

/// One kernel file.
#[derive(Debug)]
pub struct Kernel {
    /// Of the file, of its reference in `src/ops/cpu` and of its launch in `src/ops/gpu`.
    pub stem: &'static str,
    /// The file.
    pub text: &'static str,
    /// What goes before it.
    pub parts: &'static [SourcePart],
}

macro_rules! kernel {
    ($stem:literal, $($part:ident),*) => {
        Kernel {
            stem: $stem,
            text: include_str!(concat!("../../../kernels/", $stem, ".wgsl")),
            parts: &[$(SourcePart::$part),*],
        }
    };
}

/// All kernels.
pub const KERNELS: &[Kernel] = &[
    kernel!("attention", Reduce, Cached),
    kernel!("best", Reduce, Hash, Logits),
    kernel!("capacity", Reduce, Cached),
    kernel!("distance", Reduce, Cached),
    kernel!("draw", Reduce, Hash, Exp, Logits),
    kernel!("embed", Format),
    kernel!("experts", Reduce, Format, Dot),
    kernel!("heads", Reduce, Format, Dot),
    kernel!("indexer", Reduce, Cached),
    kernel!("latent", Reduce, Cached),
    kernel!("linear", Reduce, Format, Dot, Gemv),
    kernel!("norm", Reduce),
    kernel!("normed", Reduce, Format, Dot, Gemv),
    kernel!("pointwise",),
    kernel!("predict", Reduce, Hash, Exp, Logits),
    kernel!("recurrent", Reduce, Exp),
    kernel!("rope", Reduce),
    kernel!("route", Reduce, Hash),
];

const REDUCE_SHARED: &str = concat!(
    include_str!("../../../kernels/parts/reduce_word.wgsl"),
    include_str!("../../../kernels/parts/reduce_shared.wgsl")
);
const REDUCE_SUBGROUP: &str = concat!(
    include_str!("../../../kernels/parts/reduce_word.wgsl"),
    include_str!("../../../kernels/parts/reduce_subgroup.wgsl")
);
const BLOCKS: &str = include_str!("../../../kernels/parts/blocks.wgsl");
const BYTE_FLOATS: &str = include_str!("../../../kernels/parts/byte_floats.wgsl");
const DOT: &str = include_str!("../../../kernels/parts/dot.wgsl");
const GEMV: &str = include_str!("../../../kernels/parts/gemv.wgsl");
const HASH: &str = include_str!("../../../kernels/parts/hash.wgsl");
const EXP: &str = include_str!("../../../kernels/parts/exp.wgsl");
const CACHED: &str = include_str!("../../../kernels/parts/cached.wgsl");
const LOGITS: &str = include_str!("../../../kernels/parts/logits.wgsl");

impl Kernel {
    /// The kernel of a stem.
    ///
    /// The list is closed: a stem that is not in it is a mistake a test finds.
    pub fn find(stem: &str) -> Option<&'static Self> {
        KERNELS.iter().find(|it| it.stem == stem)
    }

    /// The whole source.
    pub fn source(&self, coding: Option<Coding>, can: Abilities) -> String {
        let texts = |part: &SourcePart| -> Vec<Cow<'static, str>> {
            let text = match part {
                SourcePart::Reduce if can.subgroups => REDUCE_SUBGROUP,
                SourcePart::Reduce => REDUCE_SHARED,
                SourcePart::Dot => DOT,
                SourcePart::Gemv => GEMV,
                SourcePart::Hash => HASH,
                SourcePart::Format => return coding.map_or_else(Vec::new, |it| reader(it, can)),
                SourcePart::Exp => EXP,
                SourcePart::Logits => LOGITS,
                SourcePart::Cached => CACHED,
            };
            vec![text.into()]
        };
        let parts: Vec<Cow<'static, str>> = self.parts.iter().flat_map(texts).collect();
        // WGSL wants what it enables before everything else.
        let uses_f16 = can.f16 && coding == Some(Dtype::F16.into());
        let enabled = if uses_f16 { "enable f16;\n" } else { "" };
        format!("{enabled}{}\n{}", parts.join("\n"), self.text)
    }
}

/// How a kernel reads weights of a coding.
fn reader(coding: Coding, can: Abilities) -> Vec<Cow<'static, str>> {
    match coding {
        Coding::Format(Dtype::F8E4M3) => vec![
            BYTE_FLOATS.into(),
            device_format(Dtype::F8E4M3, can).text.into(),
        ],
        Coding::Format(it) => {
            let it = device_format(it, can);
            let blocks = it.blocks.map(|_| BLOCKS.into());
            blocks.into_iter().chain([it.text.into()]).collect()
        }
        Coding::Planes(it) => vec![BLOCKS.into(), BYTE_FLOATS.into(), plane_reader(&it).into()],
    }
}

#[cfg(test)]
mod tests {
    use naga::{
        back::{hlsl, msl, spv},
        valid::{Capabilities, ValidationFlags, Validator},
    };

    use super::*;
    use crate::ops::gpu::{packing::RowLayout, plane_cases};

    /// Everything an adapter may have and lack.
    fn abilities() -> impl Iterator<Item = Abilities> {
        [false, true]
            .into_iter()
            .flat_map(|subgroups| [false, true].map(|f16| Abilities { subgroups, f16 }))
    }

    /// Every coding: those of the list, and planes of every kind.
    fn codings() -> Vec<Coding> {
        let planes = plane_cases::formats().into_iter();
        let planes = planes.map(|it| Coding::of(&plane_cases::planes(it, [8, 192], 1)));
        Dtype::ALL
            .into_iter()
            .map(Coding::from)
            .chain(planes)
            .collect()
    }

    /// Every source an adapter may be given, with what it is.
    fn sources() -> Vec<(String, String)> {
        let mut out = Vec::new();
        for kernel in KERNELS {
            let formats: Vec<Option<Coding>> = if kernel.parts.contains(&SourcePart::Format) {
                codings().into_iter().map(Some).collect()
            } else {
                vec![None]
            };
            for format in formats {
                for can in abilities() {
                    let what = format!("{} of {format:?} for {can:?}", kernel.stem);
                    let source = kernel.source(format, can);
                    // Most sources do not depend on all of them.
                    if out.iter().all(|(_, it)| *it != source) {
                        out.push((what, source));
                    }
                }
            }
        }
        out
    }

    /// The constants of a reader that the kernels count with.
    fn constants(format: Coding, can: Abilities) -> [usize; 3] {
        let source = Kernel::find("embed").unwrap().source(Some(format), can);
        ["UNIT_NUMBERS", "UNIT_QUADS", "PART_QUADS"].map(|name| {
            let start = format!("const {name}: u32 = ");
            let (_, rest) = source.split_once(&start).unwrap();
            rest.split_once("u;").unwrap().0.parse().unwrap()
        })
    }

    /// What the launch counts with, and what the reader counts with.
    #[test]
    fn a_format_is_laid_as_its_reader_reads_it() {
        for format in Dtype::ALL {
            for can in abilities() {
                let [numbers, quads, part] = constants(format.into(), can);
                let layout = RowLayout::of(format);
                assert_eq!(numbers, layout.unit_numbers(), "{format:?}");
                assert_eq!(numbers, 4 * quads, "{format:?}");
                assert!(quads.is_multiple_of(part), "{format:?}");
                let cols = 5 * format.block_numbers().max(numbers);
                assert_eq!(
                    Some(layout.row_bytes(cols)),
                    format.row_bytes(cols),
                    "{format:?} takes the bytes it is stored in"
                );
                assert!(layout.unit_bytes(cols).is_multiple_of(4), "{format:?}");
                let is_bound = device_format(format, can).text.contains("@binding(9)");
                assert_eq!(is_bound, !layout.table().is_empty(), "{format:?}");
            }
        }
    }

    #[test]
    fn planes_are_laid_as_their_reader_reads_them() {
        for coding in codings() {
            let Coding::Planes(it) = coding else {
                continue;
            };
            for can in abilities() {
                let [numbers, quads, part] = constants(coding, can);
                assert_eq!(numbers, it.unit_numbers(), "{it:?}");
                assert_eq!(numbers, 4 * quads, "{it:?}");
                assert!(quads.is_multiple_of(part), "{it:?}");
            }
        }
    }

    /// What Vulkan, Metal and DirectX are given, made of every kernel with its constants as they stand.
    #[test]
    fn every_kernel_becomes_spirv_msl_and_hlsl() {
        for (what, source) in sources() {
            let module = naga::front::wgsl::parse_str(&source)
                .unwrap_or_else(|it| panic!("{what}: {}", it.emit_to_string(&source)));
            let can = Capabilities::SUBGROUP
                | Capabilities::SHADER_FLOAT16
                | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
            let info = Validator::new(ValidationFlags::all(), can)
                .validate(&module)
                .unwrap_or_else(|it| panic!("{what}: {it:?}"));
            let (module, info) = naga::back::pipeline_constants::process_overrides(
                &module,
                &info,
                None,
                &naga::back::PipelineConstants::default(),
            )
            .unwrap_or_else(|it| panic!("{what}: {it}"));
            let options = spv::Options {
                lang_version: (1, 3),
                ..spv::Options::default()
            };
            spv::write_vec(&module, &info, &options, None)
                .unwrap_or_else(|it| panic!("{what} to SPIR-V: {it}"));
            let options = msl::Options {
                lang_version: (2, 4),
                fake_missing_bindings: true,
                ..msl::Options::default()
            };
            msl::write_string(&module, &info, &options, &msl::PipelineOptions::default())
                .unwrap_or_else(|it| panic!("{what} to MSL: {it}"));
            let mut text = String::new();
            let options = hlsl::Options {
                shader_model: hlsl::ShaderModel::V6_2,
                fake_missing_bindings: true,
                ..hlsl::Options::default()
            };
            let pipeline = hlsl::PipelineOptions::default();
            hlsl::Writer::new(&mut text, &options, &pipeline)
                .write(&module, &info, None)
                .unwrap_or_else(|it| panic!("{what} to HLSL: {it}"));
        }
    }
}
