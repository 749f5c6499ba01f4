//! Where the bytes of a checkpoint are: in a mapped file, in the program, in memory.

use std::sync::Arc;

use super::{MappedFile, pages::Pages};
use crate::formats::Dtype;

/// Where the bytes of a checkpoint are.
#[derive(Clone, Debug)]
pub enum Blob {
    /// A file, mapped read-only.
    Map(Arc<MappedFile>),
    /// Part of the program.
    Static(&'static [u8]),
    /// Memory; 4-byte words, so that any dtype is aligned.
    Memory(Arc<Vec<u32>>),
    /// Memory in large pages.
    Pages(Arc<Pages>),
}

impl Blob {
    /// Memory of so many words, all 0 until `fill` has written them.
    pub fn filled(n_words: usize, fill: impl Fn(&mut [u32])) -> Self {
        if let Some(it) = Pages::filled(n_words, &fill) {
            return Self::Pages(Arc::new(it));
        }
        let mut words = vec![0; n_words];
        fill(&mut words);
        Self::Memory(Arc::new(words))
    }

    /// All bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Map(it) => it,
            Self::Static(it) => it,
            Self::Memory(it) => bytemuck::cast_slice(it),
            Self::Pages(it) => it,
        }
    }

    /// The mapped file, where it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Arc<MappedFile>> {
        match self {
            Self::Map(it) => Some(it),
            Self::Static(_) | Self::Memory(_) | Self::Pages(_) => None,
        }
    }

    /// Whether numbers from byte `start` on can be read where they are.
    #[must_use]
    pub fn is_aligned(&self, start: usize, dtype: Dtype) -> bool {
        let address = self.bytes().as_ptr().addr().wrapping_add(start);
        let align = match dtype {
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::Bf16 | Dtype::Q8_0 | Dtype::Q4_0 => 2,
            _ => 1,
        };
        address.is_multiple_of(align)
    }
}
