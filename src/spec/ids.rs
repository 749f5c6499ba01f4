//! Identities. A bare number never crosses a room: what it counts is in its type.
//!
//! The narrowing conversions live here and nowhere else; each one saturates, because every
//! reader of outside input has already refused what does not fit.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl $name {
            /// The id of the `index`-th thing of its kind.
            #[must_use]
            pub fn new(index: usize) -> Self {
                Self(<$int>::try_from(index).unwrap_or(<$int>::MAX))
            }

            /// The id as an index into an array of such things.
            #[must_use]
            pub fn idx(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A layer's index in its stack, dense layers counted.
    LayerId(u16)
);
id!(
    /// An expert of one router, `0..E`, `E` at most 2,048.
    ExpertId(u16)
);
id!(
    /// A token of the vocabulary; in a model of time series, a point.
    TokenId(u32)
);
id!(
    /// A place in a sequence, counted from 0 with the BOS token.
    Position(u32)
);
id!(
    /// A sequence held by a backend: a KV cache and its length.
    SeqId(u32)
);
id!(
    /// Which list of edits was in force: every new list gets the next number. 0 is the empty list.
    Revision(u32)
);
id!(
    /// Row in `ModelSpec::routers`. Everything recorded or edited is indexed by it.
    RouterId(u16)
);

impl TokenId {
    /// A point of a time series: such a model reads points where others read tokens, and the id is the point's bits.
    #[must_use]
    pub fn of_point(point: f32) -> Self {
        Self(point.to_bits())
    }

    /// The point that the id is, in a model of time series.
    #[must_use]
    pub fn point(self) -> f32 {
        f32::from_bits(self.0)
    }
}

impl Position {
    /// The position `n` further on.
    #[must_use]
    pub fn plus(self, n: usize) -> Self {
        Self::new(self.idx() + n)
    }
}
