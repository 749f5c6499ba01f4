//! Which formats the kernels of devices read, and what becomes of the others there.

use crate::formats::Dtype;

impl Dtype {
    /// The formats that kernels read.
    pub(crate) const IN_KERNELS: [Self; 5] =
        [Self::F32, Self::F16, Self::Bf16, Self::Q8_0, Self::Q4_0];

    /// How a device holds numbers of this format: as they are, or in f32 where no kernel reads them.
    pub(crate) fn on_device(self) -> Self {
        if Self::IN_KERNELS.contains(&self) {
            self
        } else {
            Self::F32
        }
    }
}
