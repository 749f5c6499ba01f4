//! The shape of a model in words, line by line: widths, attention, positions, states, experts. For whoever prints it
//! and whoever draws it, so that both say the same.

use super::{
    Ffn, GqaSpec, LayerSpec, Mask, Mixer, MlaSpec, ModelSpec, QkNorm, RopeScaling, RopeSpec,
    StackId, count_of, rule::runs,
};

/// What some layers have in common, and which they are.
type Kind = (String, Vec<usize>);

impl ModelSpec {
    /// Layers, widths, attention, context, head: a name and what it is, line by line.
    #[must_use]
    pub fn shape_lines(&self) -> Vec<(&'static str, String)> {
        let mut out = match &self.encoder {
            None => vec![("layers", self.layers.len().to_string())],
            Some(encoder) => vec![
                (
                    "encoder layers",
                    format!("{}, each sees the whole source", encoder.layers.len()),
                ),
                (
                    "decoder layers",
                    format!(
                        "{}, each attends to what the encoder made",
                        self.layers.len()
                    ),
                ),
            ],
        };
        out.extend([
            ("width", self.d_model.to_string()),
            ("vocabulary", self.n_vocab.to_string()),
            ("context", self.n_ctx.to_string()),
        ]);
        let attention = self.kinds(|it| attention(&it.mixer));
        let n_attention: usize = attention.iter().map(|it| it.1.len()).sum();
        let of = |name, kinds: Vec<Kind>, n_all| {
            let line = move |it: Kind| (name, with_layers(it, n_all));
            kinds.into_iter().map(line)
        };
        out.extend(of("attention", attention, self.layers.len()));
        let positions = self.kinds(|it| positions(&it.mixer));
        out.extend(of("positions", positions, n_attention));
        out.extend(of("window", self.kinds(|it| window(&it.mixer)), 0));
        out.extend(of("states", self.kinds(|it| state(&it.mixer)), 0));
        let head = if self.head.tied {
            "the embedding"
        } else {
            "its own"
        };
        out.push(("head", head.to_owned()));
        out
    }

    /// Widths of experts and shared experts, and the layers that have none.
    #[must_use]
    pub fn expert_lines(&self) -> Vec<(&'static str, String)> {
        let mut out = Vec::new();
        let moe = self.layers.iter().find_map(|it| match &it.ffn {
            Ffn::Moe(it) => Some(it),
            Ffn::Dense(_) | Ffn::None => None,
        });
        if let Some(moe) = moe {
            out.push(("expert width", moe.expert.d_ff.to_string()));
            if let Some(shared) = moe.shared {
                out.push(("shared expert width", shared.mlp.d_ff.to_string()));
            }
        }
        for group in self.groups() {
            let layers = self.layers_of(group.stack).iter().enumerate();
            let dense = layers.filter(|it| matches!(it.1.ffn, Ffn::Dense(_)));
            let dense: Vec<usize> = dense.map(|it| it.0).collect();
            if !dense.is_empty() {
                let name = match (group.name.is_empty(), group.stack) {
                    (true, _) => "dense layers",
                    (false, StackId::Encoder) => "dense encoder layers",
                    (false, StackId::Decoder) => "dense decoder layers",
                };
                out.push((name, runs(&dense)));
            }
        }
        out
    }

    /// Layers of the same words, in the order of the first of each; those without words left out.
    fn kinds(&self, words: impl Fn(&LayerSpec) -> Option<String>) -> Vec<Kind> {
        let mut kinds: Vec<Kind> = Vec::new();
        for (layer, it) in self.layers.iter().enumerate() {
            let Some(words) = words(it) else {
                continue;
            };
            match kinds.iter_mut().find(|it| it.0 == words) {
                Some(kind) => kind.1.push(layer),
                None => kinds.push((words, vec![layer])),
            }
        }
        kinds
    }
}

/// The words, and the layers where they are not `n_all`.
fn with_layers((words, layers): Kind, n_all: usize) -> String {
    match layers.len() {
        n if n == n_all => words,
        1 => format!("{words} in layer {}", runs(&layers)),
        _ => format!("{words} in layers {}", runs(&layers)),
    }
}

fn attention(mixer: &Mixer) -> Option<String> {
    match mixer {
        Mixer::Gqa(it) => Some(heads(it)),
        Mixer::MoA { attn, .. } => Some(format!("{}, experts on queries and outputs", heads(attn))),
        Mixer::Mla(it) => Some(latents(it)),
        Mixer::Recurrent(_) | Mixer::None => None,
    }
}

fn heads(it: &GqaSpec) -> String {
    let norm = match it.qk_norm {
        QkNorm::None => "",
        QkNorm::PerHead => ", q and k normed per head",
        QkNorm::Full | QkNorm::L2 => ", q and k normed",
    };
    let gate = if it.out_gate.is_some() { ", gated" } else { "" };
    let sinks = if it.sinks { ", sinks" } else { "" };
    format!(
        "{} heads, {} of keys and values, {} wide{norm}{gate}{sinks}",
        it.n_heads, it.n_kv_heads, it.head_dim
    )
}

fn latents(it: &MlaSpec) -> String {
    let apart = if it.rope.is_some() {
        "rotated"
    } else {
        "shared"
    };
    let kept = format!(
        "latent, {} heads, keys of {} + {} {apart}, values of {}, {} + {} kept of a position",
        it.n_heads, it.nope_dim, it.rope_dim, it.v_dim, it.kv_lora, it.rope_dim
    );
    let seen = it.indexer.as_ref().map(|it| {
        let (n, heads) = (it.top_k, it.n_heads);
        let best = count_of(n, "position");
        format!(", the best {best} by an indexer of {heads} heads")
    });
    kept + &seen.unwrap_or_default()
}

fn positions(mixer: &Mixer) -> Option<String> {
    let (rope, width) = match mixer {
        Mixer::Gqa(it) | Mixer::MoA { attn: it, .. } => (it.rope.as_ref(), it.head_dim),
        Mixer::Mla(it) => (it.rope.as_ref(), it.rope_dim),
        Mixer::Recurrent(_) | Mixer::None => return None,
    };
    let rotary = rope.map(|it| rotary(it, width));
    Some(rotary.unwrap_or_else(|| "not encoded".to_owned()))
}

/// `width` is that of a head.
fn rotary(rope: &RopeSpec, width: usize) -> String {
    let part = if rope.dim < width {
        format!(" over {} of {width}", rope.dim)
    } else {
        String::new()
    };
    let scaling = scaling(&rope.scaling);
    format!("rotary{part}, base {}{scaling}", rope.theta)
}

fn window(mixer: &Mixer) -> Option<String> {
    let (Mixer::Gqa(it) | Mixer::MoA { attn: it, .. }) = mixer else {
        return None;
    };
    match it.mask {
        Mask::Window(n) => Some(count_of(n, "position")),
        Mask::Chunk(n) => Some(format!("chunks of {}", count_of(n, "position"))),
        Mask::Causal | Mask::Full => None,
    }
}

/// What folds positions into a state.
fn state(mixer: &Mixer) -> Option<String> {
    match mixer {
        Mixer::Recurrent(it) => Some(it.label().to_owned()),
        _ => None,
    }
}

fn scaling(scaling: &RopeScaling) -> String {
    match scaling {
        RopeScaling::None => String::new(),
        RopeScaling::Partial { n_pairs } => format!(", {} of a head", count_of(*n_pairs, "pair")),
        RopeScaling::Linear { factor } => format!(", linear × {factor}"),
        RopeScaling::Yarn {
            factor,
            original_ctx,
            ..
        } => format!(", yarn × {factor} from {original_ctx}"),
        RopeScaling::Llama3 {
            factor,
            original_ctx,
            ..
        } => format!(", llama3 × {factor} from {original_ctx}"),
        RopeScaling::LongRope { original_ctx, .. } => format!(", longrope from {original_ctx}"),
    }
}
