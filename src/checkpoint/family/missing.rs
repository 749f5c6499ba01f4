//! Families with experts that do not open, each with the one among those that open that is nearest to it, so that a
//! refusal says what to try instead; and how near a name that nobody knows is to one of them.

/// A family that does not open.
pub(super) struct Missing {
    /// What configs call it, and what GGUF files do; either may be empty.
    pub(super) names: [&'static str; 2],
    /// As people write it.
    label: &'static str,
    /// The nearest that opens: of configs, and of GGUF files.
    pub(super) nearest: [&'static str; 2],
}

const fn missing(
    names: [&'static str; 2],
    label: &'static str,
    nearest: [&'static str; 2],
) -> Missing {
    Missing {
        names,
        label,
        nearest,
    }
}

/// Where a name is looked for.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// In a config.
    Config,
    /// In a GGUF file.
    Gguf,
}

/// Every family that is known and does not open.
pub(super) const MISSING: &[Missing] = &[
    missing(["aria", ""], "Aria", ["mixtral", "llama"]),
    missing(["aria_text", ""], "Aria", ["mixtral", "llama"]),
    missing(
        ["bailing_moe_linear", ""],
        "Ring-linear",
        ["bailing_hybrid", "bailingmoe3"],
    ),
    missing(
        ["deepseek_ocr", "deepseek2-ocr"],
        "DeepSeek-OCR",
        ["deepseek", "deepseek"],
    ),
    missing(
        ["deepseek_v4", "deepseek4"],
        "DeepSeek-V4",
        ["deepseek_v32", "deepseek32"],
    ),
    missing(
        ["deepseek_vl_v2", ""],
        "DeepSeek-VL2",
        ["deepseek_v2", "deepseek2"],
    ),
    missing(["doge", ""], "Doge", ["qwen3_moe", "qwen3moe"]),
    missing(["", "dots3note"], "dots.note", ["dots1", "dots1"]),
    missing(
        ["ernie4_5_vl_moe", ""],
        "ERNIE-4.5-VL",
        ["ernie4_5_moe", "ernie4_5-moe"],
    ),
    missing(["glm4v_moe", ""], "GLM-4.5V", ["glm4_moe", "glm4moe"]),
    missing(
        ["glm5_next", "glm5-next"],
        "GLM-5-Next",
        ["kimi_linear", "kimi-linear"],
    ),
    missing(
        ["glm_moe_dsa", "glm-dsa"],
        "GLM-5",
        ["deepseek_v32", "deepseek32"],
    ),
    missing(
        ["", "granite_swa"],
        "Granite with windows",
        ["granitemoe", "granitemoe"],
    ),
    missing(
        ["", "graniteswitch"],
        "Granite with switches",
        ["granitemoe", "granitemoe"],
    ),
    missing(["grok-2", ""], "Grok-2", ["grok-1", "grok"]),
    missing(
        ["grove_moe", "grovemoe"],
        "GroveMoE",
        ["qwen3_moe", "qwen3moe"],
    ),
    missing(
        ["hunyuan", ""],
        "Hunyuan-Large",
        ["hunyuan_v1_moe", "hunyuan-moe"],
    ),
    missing(["hy_v4", "hy_v4"], "Hunyuan 4", ["hy_v3", "hy_v3"]),
    missing(
        ["kimi_k3", "kimi-k3"],
        "Kimi-K3",
        ["kimi_linear", "kimi-linear"],
    ),
    missing(["llada_moe", "llada-moe"], "LLaDA-MoE", ["olmoe", "olmoe"]),
    missing(
        ["longcat_flash", ""],
        "LongCat-Flash",
        ["deepseek_v3", "deepseek2"],
    ),
    missing(["", "maple"], "Maple", ["mellum", "mellum"]),
    missing(["minicpm", "minicpm"], "MiniCPM-MoE", ["mixtral", "llama"]),
    missing(
        ["minimax", "minimax-01"],
        "MiniMax-01",
        ["minimax_m2", "minimax-m2"],
    ),
    missing(
        ["minimax_m1", ""],
        "MiniMax-M1",
        ["minimax_m2", "minimax-m2"],
    ),
    missing(
        ["minimax_m3", "minimax-m3"],
        "MiniMax-M3",
        ["minimax_m2", "minimax-m2"],
    ),
    missing(
        ["mistral4", "mistral4"],
        "Mistral 4",
        ["deepseek_v2", "deepseek2"],
    ),
    missing(
        ["nllb-moe", ""],
        "NLLB-MoE",
        ["switch_transformers", "llama"],
    ),
    missing(
        ["nomic_bert", "nomic-bert-moe"],
        "Nomic Embed",
        ["qwen2_moe", "qwen2moe"],
    ),
    missing(
        ["qwen3_omni_moe", "qwen3omnimoe"],
        "Qwen3-Omni",
        ["qwen3_vl_moe", "qwen3vlmoe"],
    ),
    missing(
        ["qwen4_exp", "qwen4exp"],
        "Qwen4",
        ["qwen3_5_moe", "qwen35moe"],
    ),
    missing(["rnd1", "rnd1"], "RND1", ["qwen3_moe", "qwen3moe"]),
    missing(
        ["sarvam_moe", "sarvam-moe"],
        "Sarvam",
        ["glm4_moe", "bailingmoe2"],
    ),
    missing(["skywork_moe", ""], "Skywork-MoE", ["mixtral", "llama"]),
    missing(
        ["smallthinker", "smallthinker"],
        "SmallThinker",
        ["qwen3_moe", "qwen3moe"],
    ),
    missing(
        ["solar_open", "solar-open"],
        "Solar Open",
        ["glm4_moe", "glm4moe"],
    ),
    missing(["step3_vl", ""], "Step-3", ["step3p5", "step35"]),
    missing(["zaya", ""], "Zaya", ["llama_moe", "llama"]),
];

/// What a refusal says of a family that does not open: which it is, as far as that is known, and the nearest that opens,
/// where one is near.
///
/// * `class`: what else it is called: the class of its config, without what the class is for
/// * `opens`: the names of those that open, as the place has them
pub(super) fn sentence(
    name: &str,
    class: Option<&str>,
    place: Place,
    opens: &[&'static str],
) -> String {
    let row = match place {
        Place::Config => 0,
        Place::Gguf => 1,
    };
    let names = || [Some(name), class].into_iter().flatten();
    let of = |name: &str| {
        let known =
            |it: &&Missing| !it.names[row].is_empty() && letters(it.names[row]) == letters(name);
        MISSING.iter().find(known)
    };
    let known = names().find_map(of);
    let subject = match (known, place) {
        (Some(it), _) => format!("{} ({name}) is not read", it.label),
        (None, Place::Config) => format!("the family {name:?} is unknown"),
        (None, Place::Gguf) => format!("the architecture {name:?} is unknown"),
    };
    let nearest = match known {
        Some(it) => Some(it.nearest[row]),
        None => names().find_map(|it| nearest(it, opens)),
    };
    match nearest {
        Some(it) => format!("{subject}, and the nearest that opens is {it}"),
        None => subject,
    }
}

/// Letters that two names must share at their beginning to be related.
const N_LETTERS: usize = 4;

/// The name nearest to one: that with the longest beginning in common, where it is long enough to mean something; else
/// one that differs by few letters. Of several the shortest.
fn nearest(name: &str, all: &[&'static str]) -> Option<&'static str> {
    let name = letters(name);
    let shared = |it: &str| {
        let pairs = letters(it).into_iter().zip(name.iter().copied());
        pairs.take_while(|(a, b)| a == b).count()
    };
    let differs = |it: &str| distance(&name, &letters(it));
    let longest = all.iter().map(|it| shared(it)).max()?;
    if longest >= N_LETTERS {
        let related = all.iter().filter(|it| shared(it) == longest);
        return related.min_by_key(|it| differs(it)).copied();
    }
    let close = all.iter().filter(|it| 3 * differs(it) <= name.len());
    close.min_by_key(|it| differs(it)).copied()
}

/// What of a name is compared: its letters and digits, all small.
fn letters(it: &str) -> Vec<char> {
    let letters = it.chars().filter(|it| it.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// How many letters have to be put in, left out or changed to make one of the other (Levenshtein).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut before = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = before + usize::from(x != y);
            before = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}
