//! What adapters differ in, as far as the sources of kernels do.

/// What an adapter can do that a source depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Abilities {
    /// Sums across a subgroup.
    pub subgroups: bool,
    /// 16-bit floats as a type.
    pub f16: bool,
}
