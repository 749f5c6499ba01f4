//! How byte-level tokenizers part a text into words before they merge: `tokenizer.ggml.pre` names a rule, and the
//! rules are those of the models' own tokenizers.
//!
//! Where llama.cpp's own pattern differs from the model's (combining marks in `gpt-4o` and its like), the model's
//! counts.

use std::borrow::Cow;

/// What stands for no rule at all.
pub(super) const DEFAULT: &str = "default";

const CONTRACTIONS: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
/// GPT-2's own.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// DeepSeek's, behind digits and CJK letters.
const DEEPSEEK: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;
const CJK: &str = "[一-龥\u{3040}-ゟ゠-ヿ]+";
const HAN_TO_HANGUL: &str = "[一-龥\u{800}-一가-\u{D7FF}]+";
const ASIAN: &str = "[一-\u{9FFF}\u{3400}-\u{4DBF}\u{F900}-\u{FAFF}\u{3040}-ゟ゠-ヿ･-\u{FF9F}⼀-\u{2FDF}เ-\u{E7F}\u{E80}-\u{EFF}ក-\u{17FF}က-\u{109F}ꩠ-ꩿꧠ-\u{A9FF}가-\u{D7AF}ᄀ-ᇿ]+";
const LINES: &str = r"[^\n]+|[\n]+";
const FALCON: &str = r"[\p{P}\$\+<=>\^~\|`]+";
const OTHER: &str = r"[\p{P}\$\+<=>\^~\|]+";
const BLOOM: &str = r" ?[^(\s|.,!?…。，、।۔،)]+";
const DIGITS_FROM_RIGHT: &str = r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))";

/// When a token is put around a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// Where the file says so.
    IfSaid,
    /// Unless the file says that it is not.
    UnlessDenied,
    /// Whatever the file says.
    Always,
}

impl Put {
    /// Whether it is put, by what the file says.
    pub(super) fn is_put(self, said: Option<bool>) -> bool {
        match self {
            Self::IfSaid => said.unwrap_or(false),
            Self::UnlessDenied => said.unwrap_or(true),
            Self::Always => true,
        }
    }
}

/// A rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pre {
    /// Patterns that are applied one after the other, each to what the ones before have parted.
    pub(super) patterns: Vec<Cow<'static, str>>,
    /// Whether tokens are text with `▁` for a space, in place of GPT-2's characters for bytes.
    pub(super) has_marks: bool,
    /// Whether a word that is a token is taken at once, without a merge.
    pub(super) ignores_merges: bool,
    /// When BOS is put before a text.
    pub(super) bos: Put,
    /// Whether the rule is known; an unknown one is the default.
    pub(super) is_known: bool,
}

/// The rule of a name.
pub(super) fn of(name: &str) -> Pre {
    let (patterns, is_known) = match patterns(name) {
        Some(it) => (it, true),
        None => (other(), false),
    };
    Pre {
        patterns,
        has_marks: has_marks(name),
        ignores_merges: ignores_merges(name),
        bos: if adds_bos(name) {
            Put::UnlessDenied
        } else {
            Put::IfSaid
        },
        is_known,
    }
}

fn has_marks(name: &str) -> bool {
    matches!(
        name,
        "gemma4" | "granite-embed-multi-311m" | "sarvam-moe" | "mmbert"
    )
}

fn ignores_merges(name: &str) -> bool {
    is_llama3(name)
        || matches!(
            name,
            "tekken" | "youtu" | "minicpm5" | "granite-embed-multi-97m" | "glm4" | "glm5"
        )
}

fn adds_bos(name: &str) -> bool {
    let never = ["falcon-h1", "jina-v5-nano"];
    (is_llama3(name) && !never.contains(&name)) || matches!(name, "tekken" | "chameleon")
}

fn is_llama3(name: &str) -> bool {
    matches!(
        name,
        "llama-bpe"
            | "llama3"
            | "llama-v3"
            | "falcon3"
            | "falcon-h1"
            | "pixtral"
            | "midm-2.0"
            | "lfm2"
            | "jina-v5-nano"
    )
}

fn patterns(name: &str) -> Option<Vec<Cow<'static, str>>> {
    let fixed = |all: &[&'static str]| all.iter().map(|it| Cow::Borrowed(*it)).collect();
    let one = |it: String| vec![Cow::Owned(it)];
    Some(match name {
        _ if is_llama3(name) => one(cl100k(r"\p{N}{1,3}")),
        "dbrx" | "smaug-bpe" | "chatglm-bpe" | "glm4" | "glm5" => one(cl100k(r"\p{N}{1,3}")),
        "qwen2" | "deepseek-r1-qwen" | "megrez" | "hunyuan" | "grok-2" | "stablelm2"
        | "solar-open" | "kormo" | "f2llmv2" => one(cl100k(r"\p{N}")),
        "qwen35" => one(format!(
            r"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        )),
        "gpt-2" | "phi-2" | "olmo" | "mpt" | "jais" | "trillion" | "mellum" | "modern-bert"
        | "gigachat" | "a.x-4.0" | "exaone4" | "roberta-bpe" | "granite-docling" => fixed(&[GPT2]),
        _ if name.starts_with("jina-") => fixed(&[GPT2]),
        "starcoder" | "refact" | "command-r" | "smollm" | "codeshell" | "exaone" | "minerva-7b"
        | "mellum2" => fixed(&[r"\p{N}", GPT2]),
        "gpt-4o" | "llama4" | "minimax-m2" | "kanana2" | "talkie" => {
            one(o200k(CONTRACTIONS, r"\p{N}{1,3}", "", "[\r\n/]*"))
        }
        "tekken" => one(o200k("", r"\p{N}", "", "[\r\n/]*")),
        "kimi-k2" => {
            let rest = o200k(CONTRACTIONS, r"\p{N}{1,3}", r"&&[^\p{Han}]", "[\r\n]*");
            one(format!(r"[\p{{Han}}]+|{rest}"))
        }
        "tiny_aya" | "cohere2moe" => vec![
            Cow::Borrowed(r"\d{1,3}(?=(?:\d{3})*\b)"),
            Cow::Owned(o200k(CONTRACTIONS, r"\p{N}{1,3}", "", "[\r\n/]*")),
        ],
        "deepseek-v3" | "hunyuan-dense" | "joyai-llm" | "hy_v4" => {
            fixed(&[r"\p{N}{1,3}", CJK, DEEPSEEK])
        }
        "spark2_5" => {
            let words = DEEPSEEK.replace(
                r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+",
                r" ?[\p{P}\p{S}]+|[\r\n]",
            );
            vec![
                Cow::Borrowed(r"\p{N}{1,3}"),
                Cow::Borrowed(CJK),
                Cow::Owned(words),
                Cow::Borrowed(r"\p{N}"),
            ]
        }
        _ => return more_patterns(name),
    })
}

/// The rules that few models have.
fn more_patterns(name: &str) -> Option<Vec<Cow<'static, str>>> {
    let fixed = |all: &[&'static str]| all.iter().map(|it| Cow::Borrowed(*it)).collect();
    let one = |it: String| vec![Cow::Owned(it)];
    Some(match name {
        "deepseek-llm" => fixed(&[
            r"[\r\n]",
            // Published as a list of all letters that have a case.
            r"\s?[\p{Lu}\p{Ll}\p{Lt}]+",
            "\\s?[!-/:-~！-／：-～‘-‟\u{3000}-。]+",
            r"\s+$",
            HAN_TO_HANGUL,
            r"\p{N}+",
        ]),
        "deepseek-coder" => fixed(&[
            r"[\r\n]",
            r"\s?\p{L}+",
            r"\s?\p{P}+",
            HAN_TO_HANGUL,
            r"\p{N}",
        ]),
        "bailingmoe" | "bailingmoe2" | "llada-moe" => fixed(&[
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        ]),
        "laguna" => vec![Cow::Borrowed(LINES), Cow::Owned(cl100k(r"\p{N}"))],
        "exaone-moe" => one(format!(
            r"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?(?:\p{{L}}\p{{M}}*(?: \p{{L}}\p{{M}}*)*)+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"
        )),
        "seed-coder" => one(format!(
            r"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"
        )),
        "minicpm5" => vec![Cow::Borrowed(r"\p{N}{1,3}"), Cow::Owned(cl100k(r"\p{N}+"))],
        "falcon" => fixed(&[FALCON, GPT2, "[0-9][0-9][0-9]"]),
        DEFAULT | "" => other(),
        "bloom" | "poro-chat" | "gpt3-finnish" => fixed(&[BLOOM]),
        "viking" => fixed(&[BLOOM, r"\p{N}"]),
        "superbpe" => fixed(&[r"\p{N}+", r"(?=(\d{3})+(?!\d))"]),
        "afmoe" => fixed(&[DIGITS_FROM_RIGHT, ASIAN, DEEPSEEK]),
        _ if has_marks(name) => fixed(&[LINES]),
        _ => return None,
    })
}

/// What is assumed of a file that names no rule, or an unknown one.
fn other() -> Vec<Cow<'static, str>> {
    [OTHER, GPT2, r"\p{N}+", "[0-9][0-9][0-9]"]
        .map(Cow::Borrowed)
        .into()
}

/// The rule of cl100k, with digits parted so.
fn cl100k(digits: &str) -> String {
    format!(
        r"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
}

/// The rule of o200k: a word has its capitals first. `but` narrows its letters, `tail` is what follows signs.
fn o200k(contractions: &str, digits: &str, but: &str, tail: &str) -> String {
    let contractions = match contractions {
        "" => String::new(),
        it => format!("{it}?"),
    };
    let upper = format!(r"[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}{but}]");
    let lower = format!(r"[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}{but}]");
    let before = r"[^\r\n\p{L}\p{N}]?";
    format!(
        r"{before}{upper}*{lower}+{contractions}|{before}{upper}+{lower}*{contractions}|{digits}| ?[^\s\p{{L}}\p{{N}}]+{tail}|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
}

/// Every name of a rule that is known, but those that only begin as `jina-`.
#[cfg(test)]
pub(super) const NAMES: &[&str] = &[
    "llama-bpe",
    "llama3",
    "llama-v3",
    "falcon3",
    "falcon-h1",
    "pixtral",
    "midm-2.0",
    "lfm2",
    "jina-v5-nano",
    "dbrx",
    "smaug-bpe",
    "chatglm-bpe",
    "glm4",
    "glm5",
    "qwen2",
    "deepseek-r1-qwen",
    "megrez",
    "hunyuan",
    "grok-2",
    "stablelm2",
    "solar-open",
    "kormo",
    "f2llmv2",
    "qwen35",
    "gpt-2",
    "phi-2",
    "olmo",
    "mpt",
    "jais",
    "trillion",
    "mellum",
    "modern-bert",
    "gigachat",
    "a.x-4.0",
    "exaone4",
    "jina-v2-code",
    "roberta-bpe",
    "granite-docling",
    "starcoder",
    "refact",
    "command-r",
    "smollm",
    "codeshell",
    "exaone",
    "minerva-7b",
    "mellum2",
    "gpt-4o",
    "llama4",
    "minimax-m2",
    "kanana2",
    "talkie",
    "tekken",
    "kimi-k2",
    "tiny_aya",
    "cohere2moe",
    "deepseek-v3",
    "hunyuan-dense",
    "joyai-llm",
    "hy_v4",
    "spark2_5",
    "deepseek-llm",
    "deepseek-coder",
    "bailingmoe",
    "bailingmoe2",
    "llada-moe",
    "laguna",
    "exaone-moe",
    "seed-coder",
    "minicpm5",
    "falcon",
    "default",
    "bloom",
    "poro-chat",
    "gpt3-finnish",
    "viking",
    "superbpe",
    "afmoe",
    "gemma4",
    "granite-embed-multi-311m",
    "sarvam-moe",
    "mmbert",
];
