//! What the kernels have room for, whatever the adapter.

use super::{attention::MAX_HEAD_DIM, latent::MAX_LATENT, predict::MAX_VOCAB};
use crate::spec::{Mixer, ModelSpec, count_of, grouped};

/// Why the kernels cannot compute a model; none where they can.
#[must_use]
pub fn exceeded(spec: &ModelSpec) -> Option<String> {
    let width = |it: &crate::spec::LayerSpec| match &it.mixer {
        Mixer::Gqa(it) | Mixer::MoA { attn: it, .. } => Some(it.head_dim),
        _ => None,
    };
    let width = spec.layers.iter().filter_map(width).max().unwrap_or(0);
    if width > MAX_HEAD_DIM {
        return Some(format!(
            "heads of attention are {width} wide, and the kernels take {MAX_HEAD_DIM} at most"
        ));
    }
    let latent = |it: &crate::spec::LayerSpec| match &it.mixer {
        Mixer::Mla(it) => Some(it.width()),
        _ => None,
    };
    let width = spec.layers.iter().filter_map(latent).max().unwrap_or(0);
    if width > MAX_LATENT {
        return Some(format!(
            "latents of attention are {width} wide, and the kernels take {MAX_LATENT} at most"
        ));
    }
    (spec.n_vocab > MAX_VOCAB).then(|| {
        format!(
            "the vocabulary has {}, and the kernels take {} at most",
            count_of(spec.n_vocab, "token"),
            grouped(MAX_VOCAB as u64)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;

    #[test]
    fn what_has_no_room_is_said_with_its_size() {
        let of = |shape: &str| {
            let made = Checkpoint::synthetic(shape, None, 1, false).unwrap();
            exceeded(&made.spec)
        };
        let small = "custom:hidden=64,ffn=32,experts=4,k=2,layers=1,heads=1,kv=1,context=32";
        assert_eq!(of(&format!("{small},width=256,vocab=300")), None);
        let wide = of(&format!("{small},width=258,vocab=300")).unwrap();
        assert!(wide.contains("258 wide"), "{wide}");
        let many = of(&format!("{small},width=64,vocab=524289")).unwrap();
        assert!(many.contains("524,289 tokens"), "{many}");
    }
}
