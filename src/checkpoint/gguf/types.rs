//! The number formats of GGUF files by their ids (ggml's `enum ggml_type`): those of weights are in the list of
//! formats, the others are known here by name and size.

use crate::formats::Dtype;

/// A format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GgmlType {
    /// How its numbers are read, or what one that is not read is called.
    pub(super) dtype: Result<Dtype, &'static str>,
    /// Numbers of a block, and its bytes.
    pub(super) block: (u64, u64),
}

/// Those that stand in files, but never for weights, and the bytes of a number.
const NOT_READ: &[(u32, &str, u64)] = &[
    (24, "I8", 1),
    (25, "I16", 2),
    (26, "I32", 4),
    (27, "I64", 8),
    (28, "F64", 8),
];

/// Those that were given up, or never stand in files.
const GONE: &[(u32, &str)] = &[
    (4, "Q4_2"),
    (5, "Q4_3"),
    (9, "Q8_1"),
    (15, "Q8_K"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (36, "IQ4_NL_4_4"),
    (37, "IQ4_NL_4_8"),
    (38, "IQ4_NL_8_8"),
];

impl GgmlType {
    /// The format of an id.
    ///
    /// # Errors
    /// The end of a sentence whose subject is the tensor: one that was given up, or is unknown.
    pub(super) fn of(id: u32) -> Result<Self, String> {
        if let Some(dtype) = Dtype::from_ggml(id) {
            return Ok(Self {
                dtype: Ok(dtype),
                block: (dtype.block_numbers() as u64, dtype.block_bytes() as u64),
            });
        }
        if let Some((_, name, n_bytes)) = NOT_READ.iter().find(|it| it.0 == id) {
            return Ok(Self {
                dtype: Err(name),
                block: (1, *n_bytes),
            });
        }
        Err(match GONE.iter().find(|it| it.0 == id) {
            Some((_, name)) => format!(
                "is of the type {id} ({name}), which does not stand in files any more, expected one that llama.cpp writes"
            ),
            None => format!("is of the type {id}, which is unknown, expected one up to 42"),
        })
    }

    /// As llama.cpp writes it.
    pub(super) fn name(&self) -> String {
        match self.dtype {
            Ok(it) => it.label().to_ascii_uppercase(),
            Err(name) => name.to_owned(),
        }
    }
}
