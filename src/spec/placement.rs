//! Where a model is to run and how its weights are to be held: what the user may choose.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a model is to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// On a graphics processor where there is one that can, else on the CPU.
    #[default]
    Auto,
    /// On a graphics processor, one that is a program on the CPU too.
    Gpu,
    /// On the CPU.
    Cpu,
}

impl DeviceChoice {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Gpu, Self::Cpu];

    /// Display name: `GPU`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Auto => "Automatic",
            Self::Gpu => "GPU",
            Self::Cpu => "CPU",
        }
    }
}

/// A format of blocks that weights are made into when they are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BlockFormat {
    /// 8 bits a weight and a scale for each 32.
    Q8_0,
    /// 4 bits a weight and a scale for each 32.
    Q4_0,
}

impl fmt::Display for BlockFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
        })
    }
}

/// Where, and how weights are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Device the model runs on.
    pub device: DeviceChoice,
    /// Format that weights are made into when they are loaded; as stored where none.
    pub quantize: Option<BlockFormat>,
}
