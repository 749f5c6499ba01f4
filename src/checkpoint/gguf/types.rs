//! The number formats of GGUF files by their ids (ggml's `enum ggml_type`): what they are called and how many bytes
//! their blocks take. Whether their numbers are read is `Dtype`'s to say.

use crate::formats::Dtype;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GgmlType {
    id: u32,
    /// As llama.cpp writes it.
    pub(super) name: &'static str,
    /// Numbers of a block, and its bytes.
    pub(super) block: (u64, u64),
}

/// Those that stand in files.
const TYPES: &[(u32, &str, u64, u64)] = &[
    (0, "F32", 1, 4),
    (1, "F16", 1, 2),
    (2, "Q4_0", 32, 18),
    (3, "Q4_1", 32, 20),
    (6, "Q5_0", 32, 22),
    (7, "Q5_1", 32, 24),
    (8, "Q8_0", 32, 34),
    (10, "Q2_K", 256, 84),
    (11, "Q3_K", 256, 110),
    (12, "Q4_K", 256, 144),
    (13, "Q5_K", 256, 176),
    (14, "Q6_K", 256, 210),
    (16, "IQ2_XXS", 256, 66),
    (17, "IQ2_XS", 256, 74),
    (18, "IQ3_XXS", 256, 98),
    (19, "IQ1_S", 256, 50),
    (20, "IQ4_NL", 32, 18),
    (21, "IQ3_S", 256, 110),
    (22, "IQ2_S", 256, 82),
    (23, "IQ4_XS", 256, 136),
    (24, "I8", 1, 1),
    (25, "I16", 1, 2),
    (26, "I32", 1, 4),
    (27, "I64", 1, 8),
    (28, "F64", 1, 8),
    (29, "IQ1_M", 256, 56),
    (30, "BF16", 1, 2),
    (34, "TQ1_0", 256, 54),
    (35, "TQ2_0", 256, 66),
    (39, "MXFP4", 32, 17),
    (40, "NVFP4", 64, 36),
    (41, "Q1_0", 128, 18),
    (42, "Q2_0", 64, 18),
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
        if let Some((id, name, numbers, bytes)) = TYPES.iter().find(|it| it.0 == id).copied() {
            return Ok(Self {
                id,
                name,
                block: (numbers, bytes),
            });
        }
        Err(match GONE.iter().find(|it| it.0 == id) {
            Some((_, name)) => format!(
                "is of the type {id} ({name}), which does not stand in files any more, expected one that llama.cpp writes"
            ),
            None => format!("is of the type {id}, which is unknown, expected one up to 42"),
        })
    }

    /// How its numbers are read, where they are.
    pub(super) fn dtype(self) -> Option<Dtype> {
        Dtype::from_ggml(self.id)
    }
}
