//! What a pickle of weights may name, and what is thought of it: nothing that is named is looked up anywhere, so nothing
//! can be run.

use crate::formats::Dtype;

/// Something that a pickle names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, …)`.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter(tensor, …)`, with a state or without.
    RebuildParameter,
    /// `torch._tensor._rebuild_from_type_v2(function, type, arguments, state)`.
    RebuildFromType,
    /// `torch.Tensor` or `torch.nn.parameter.Parameter`.
    TensorType,
    /// `torch.FloatStorage` and the others.
    Storage(&'static Number),
}

/// A kind of number in a storage.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Number {
    /// As torch calls its storage.
    storage: &'static str,
    /// As torch calls it.
    pub(super) name: &'static str,
    /// Bytes of each.
    pub(super) n_bytes: u64,
    /// How it is read, or what one that is not read is called.
    pub(super) dtype: Result<Dtype, &'static str>,
}

const fn read(storage: &'static str, name: &'static str, n_bytes: u64, dtype: Dtype) -> Number {
    Number {
        storage,
        name,
        n_bytes,
        dtype: Ok(dtype),
    }
}

const fn unread(storage: &'static str, name: &'static str, n_bytes: u64) -> Number {
    Number {
        storage,
        name,
        n_bytes,
        dtype: Err(name),
    }
}

/// Kinds of number by their storages (`torch/__init__.py`, `torch/storage.py`).
static NUMBERS: [Number; 12] = [
    read("FloatStorage", "float32", 4, Dtype::F32),
    read("HalfStorage", "float16", 2, Dtype::F16),
    read("BFloat16Storage", "bfloat16", 2, Dtype::Bf16),
    unread("DoubleStorage", "float64", 8),
    unread("LongStorage", "int64", 8),
    unread("IntStorage", "int32", 4),
    unread("ShortStorage", "int16", 2),
    unread("CharStorage", "int8", 1),
    unread("ByteStorage", "uint8", 1),
    unread("BoolStorage", "bool", 1),
    unread("ComplexFloatStorage", "complex64", 8),
    unread("ComplexDoubleStorage", "complex128", 16),
];

impl Name {
    /// What a module and a name in it stand for; `None` for all that has no place in a file of weights.
    pub(super) fn of(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                Self::RebuildParameter
            }
            ("torch._tensor", "_rebuild_from_type_v2") => Self::RebuildFromType,
            ("torch", "Tensor") | ("torch.nn.parameter", "Parameter") => Self::TensorType,
            ("torch", storage) => Self::Storage(NUMBERS.iter().find(|it| it.storage == storage)?),
            _ => return None,
        })
    }
}
