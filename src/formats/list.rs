//! The list of formats: name, type id in GGUF files, block.

use super::{
    Bf16, Block, F8E4M3, F16, F32, Grouped, Iq1M, Iq1S, Iq2S, Iq2Xs, Iq2Xxs, Iq3S, Iq3Xxs, Iq4Nl,
    Iq4Xs, Mxfp4, Nvfp4, Q1_0, Q2_0, Q2K, Q3K, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0, Single,
    Tq1_0, Tq2_0,
};
use crate::spec::BlockFormat;

/// What is done with any format.
pub trait Visitor {
    /// What comes of it.
    type Output;
    /// For one whose numbers are stored one by one.
    fn single<S: Single>(self) -> Self::Output;
    /// For one of blocks.
    fn grouped<B: Grouped>(self) -> Self::Output;
}

/// One line a format: how it is stored, its label, its type id in GGUF files, and what it is. A variant of [`Dtype`] has
/// the name of its [`Block`].
macro_rules! formats {
    ($($name:ident $way:ident $label:literal $ggml:expr, $doc:literal;)*) => {
        /// How numbers are stored.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Dtype {
            $(#[doc = $doc] $name,)*
        }

        impl Dtype {
            /// All of them.
            pub const ALL: [Self; [$($label),*].len()] = [$(Self::$name),*];

            /// As people write it, in small letters.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            /// The type id of ggml, as in GGUF files; `None` where ggml has no such type.
            #[must_use]
            pub fn ggml_id(self) -> Option<u32> {
                match self { $(Self::$name => $ggml,)* }
            }

            /// Numbers of a block; 1 where numbers are stored one by one.
            #[must_use]
            pub fn block_numbers(self) -> usize {
                match self { $(Self::$name => numbers_of::<$name>(),)* }
            }

            /// Bytes of a block.
            #[must_use]
            pub fn block_bytes(self) -> usize {
                match self { $(Self::$name => size_of::<$name>(),)* }
            }

            /// The numbers of whole blocks, in f32: as many as both `bytes` and `out` have room for.
            pub fn decode(self, bytes: &[u8], out: &mut [f32]) {
                match self { $(Self::$name => decode::<$name>(bytes, out),)* }
            }

            /// Does the same for this format that a visitor does for any.
            #[inline(always)]
            pub fn visit<V: Visitor>(self, visitor: V) -> V::Output {
                match self { $(Self::$name => visitor.$way::<$name>(),)* }
            }
        }
    };
}

formats! {
    F32 single "f32" Some(0), "32-bit IEEE.";
    F16 single "f16" Some(1), "16-bit IEEE.";
    Bf16 single "bf16" Some(30), "The upper half of an f32.";
    F8E4M3 single "f8_e4m3" None, "8-bit floats: 4 bits of exponent, 3 of mantissa.";
    Q8_0 grouped "q8_0" Some(8), "Blocks of 32 numbers: 8 bits each and a scale.";
    Q4_0 grouped "q4_0" Some(2), "Blocks of 32 numbers: 4 bits each and a scale.";
    Q4_1 grouped "q4_1" Some(3), "Blocks of 32 numbers: 4 bits each, a scale and a minimum.";
    Q5_0 grouped "q5_0" Some(6), "Blocks of 32 numbers: 5 bits each and a scale.";
    Q5_1 grouped "q5_1" Some(7), "Blocks of 32 numbers: 5 bits each, a scale and a minimum.";
    Q2K grouped "q2_k" Some(10), "Blocks of 256 numbers: 2 bits each; scale and minimum for 16.";
    Q3K grouped "q3_k" Some(11), "Blocks of 256 numbers: 3 bits each; a scale for 16.";
    Q4K grouped "q4_k" Some(12), "Blocks of 256 numbers: 4 bits each; scale and minimum for 32.";
    Q5K grouped "q5_k" Some(13), "Blocks of 256 numbers: 5 bits each; scale and minimum for 32.";
    Q6K grouped "q6_k" Some(14), "Blocks of 256 numbers: 6 bits each; a scale for 16.";
    Iq4Nl grouped "iq4_nl" Some(20), "Blocks of 32 numbers: 4 bits each for uneven levels, and a scale.";
    Iq4Xs grouped "iq4_xs" Some(23), "Blocks of 256 numbers: 4 bits each for uneven levels; a scale for 32.";
    Mxfp4 grouped "mxfp4" Some(39), "Blocks of 32 numbers: 4-bit floats and a power of two.";
    Nvfp4 grouped "nvfp4" Some(40), "Blocks of 64 numbers: 4-bit floats; an 8-bit float as scale for 16.";
    Iq3Xxs grouped "iq3_xxs" Some(18), "Blocks of 256 numbers: patterns of four, 3.06 bits a number.";
    Iq3S grouped "iq3_s" Some(21), "Blocks of 256 numbers: patterns of four, 3.44 bits a number.";
    Iq2Xxs grouped "iq2_xxs" Some(16), "Blocks of 256 numbers: patterns of eight, 2.06 bits a number.";
    Iq2Xs grouped "iq2_xs" Some(17), "Blocks of 256 numbers: patterns of eight, 2.31 bits a number.";
    Iq2S grouped "iq2_s" Some(22), "Blocks of 256 numbers: patterns of eight, 2.56 bits a number.";
    Iq1S grouped "iq1_s" Some(19), "Blocks of 256 numbers: patterns of eight, 1.56 bits a number.";
    Iq1M grouped "iq1_m" Some(29), "Blocks of 256 numbers: patterns of eight, 1.75 bits a number.";
    Tq1_0 grouped "tq1_0" Some(34), "Blocks of 256 numbers: -1, 0 or 1 in 1.69 bits.";
    Tq2_0 grouped "tq2_0" Some(35), "Blocks of 256 numbers: -1, 0 or 1 in 2.06 bits.";
    Q1_0 grouped "q1_0" Some(41), "Blocks of 128 numbers: signs and a scale.";
    Q2_0 grouped "q2_0" Some(42), "Blocks of 64 numbers: 2 bits each and a scale.";
}

impl Dtype {
    /// The format of a type id of ggml; `None` for ids that stand for no format of weights, were
    /// taken back or are not known.
    #[must_use]
    pub fn from_ggml(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.ggml_id() == Some(id))
    }

    /// Whether several numbers are stored together.
    #[must_use]
    pub fn has_blocks(self) -> bool {
        self.block_numbers() > 1
    }

    /// Bytes of a row of so many numbers.
    ///
    /// Returns `None` where they are no whole blocks, or too many.
    #[must_use]
    pub fn row_bytes(self, cols: usize) -> Option<usize> {
        let is_whole = cols.is_multiple_of(self.block_numbers());
        is_whole.then(|| (cols / self.block_numbers()).checked_mul(self.block_bytes()))?
    }
}

impl From<BlockFormat> for Dtype {
    fn from(format: BlockFormat) -> Self {
        match format {
            BlockFormat::Q8_0 => Self::Q8_0,
            BlockFormat::Q4_0 => Self::Q4_0,
        }
    }
}

fn numbers_of<B: Block>() -> usize {
    size_of::<B::Numbers>() / size_of::<f32>()
}

fn decode<B: Block>(bytes: &[u8], out: &mut [f32]) {
    let n_bytes = bytes.len() / size_of::<B>() * size_of::<B>();
    let blocks: &[B] = bytemuck::cast_slice(&bytes[..n_bytes]);
    for (block, out) in blocks.iter().zip(out.chunks_exact_mut(numbers_of::<B>())) {
        out.copy_from_slice(block.decode().as_ref());
    }
}
