//! What a refusal says of families that do not open: many cases, and the list against what opens.

use std::path::Path;

use super::{
    super::config::Config,
    FAMILIES, find, gguf,
    missing::{MISSING, Place, sentence},
};

fn opens(place: Place) -> Vec<&'static str> {
    match place {
        Place::Config => FAMILIES.iter().map(|it| it.model_type).collect(),
        Place::Gguf => gguf::names().collect(),
    }
}

fn check(name: &str, place: Place, want: &str) {
    assert_eq!(sentence(name, None, place, &opens(place)), want, "{name}");
}

#[test]
fn a_family_that_does_not_open_is_named_with_the_nearest_that_does() {
    let known = [
        ("deepseek_v4", "DeepSeek-V4", "deepseek_v32"),
        ("glm_moe_dsa", "GLM-5", "deepseek_v32"),
        ("qwen3_omni_moe", "Qwen3-Omni", "qwen3_vl_moe"),
        ("nllb-moe", "NLLB-MoE", "switch_transformers"),
        ("zaya", "Zaya", "llama_moe"),
        ("minimax", "MiniMax-01", "minimax_m2"),
        ("longcat_flash", "LongCat-Flash", "deepseek_v3"),
    ];
    for (name, label, near) in known {
        let want = format!("{label} ({name}) is not read, and the nearest that opens is {near}");
        check(name, Place::Config, &want);
    }
    let known = [
        ("deepseek4", "DeepSeek-V4", "deepseek32"),
        ("kimi-k3", "Kimi-K3", "kimi-linear"),
        ("minimax-m3", "MiniMax-M3", "minimax-m2"),
        ("llada-moe", "LLaDA-MoE", "olmoe"),
        ("sarvam-moe", "Sarvam", "bailingmoe2"),
    ];
    for (name, label, near) in known {
        let want = format!("{label} ({name}) is not read, and the nearest that opens is {near}");
        check(name, Place::Gguf, &want);
    }
}

#[test]
fn a_name_that_nobody_knows_is_near_to_what_it_begins_like_or_is_spelled_like() {
    let near = [
        ("mixtral_v2", "mixtral"),
        ("Mixtral", "mixtral"),
        ("qwen3_moe_custom", "qwen3_moe"),
        ("qwen3moe", "qwen3_moe"),
        ("qwen5_moe", "qwen2_moe"),
        ("deepseek_v5", "deepseek_v2"),
        ("gpt-oss", "gpt_oss"),
        ("ernie5_moe", "ernie4_5_moe"),
        ("mxtral", "mixtral"),
        ("olmo_moe", "olmoe"),
    ];
    for (name, near) in near {
        let want = format!("the family {name:?} is unknown, and the nearest that opens is {near}");
        check(name, Place::Config, &want);
    }
    let near = [
        ("qwen4moe", "qwen2moe"),
        ("glm6moe", "glm4moe"),
        ("mimo3", "mimo2"),
        ("granitemoe2", "granitemoe"),
    ];
    for (name, near) in near {
        let want =
            format!("the architecture {name:?} is unknown, and the nearest that opens is {near}");
        check(name, Place::Gguf, &want);
    }
    check("zzz", Place::Config, "the family \"zzz\" is unknown");
    check("", Place::Config, "the family \"\" is unknown");
}

#[test]
fn what_does_not_open_is_not_among_what_does_and_its_nearest_is() {
    for it in MISSING {
        for (row, place) in [(0, Place::Config), (1, Place::Gguf)] {
            let opens = opens(place);
            let (name, near) = (it.names[row], it.nearest[row]);
            assert!(name.is_empty() || !opens.contains(&name), "{name}");
            assert!(opens.contains(&near), "{name}: {near}");
        }
    }
}

/// Why a config is refused.
fn refused(config: &str) -> String {
    let config = Config::parse(config.as_bytes(), Path::new("config.json")).unwrap();
    find(&config)
        .err()
        .map_or_else(String::new, |it| it.to_string())
}

#[test]
fn a_config_is_refused_by_its_type_and_by_its_class() {
    for (config, start) in [
        (
            r#"{ "model_type": "bailing_moe" }"#,
            "Ling (bailing_moe) opens as a GGUF file, and not from safetensors; models that open are mixtral, ",
        ),
        (
            r#"{ "model_type": "bailing_moe_v2" }"#,
            "Ling 2 (bailing_moe_v2) opens as a GGUF file, and not from safetensors; ",
        ),
        (
            r#"{ "model_type": "my_own", "architectures": ["Qwen3MoeForCausalLM"] }"#,
            "the family \"my_own\" is unknown, and the nearest that opens is qwen3_moe; ",
        ),
        (
            r#"{ "model_type": "my_own", "architectures": ["DeepseekV4ForCausalLM"] }"#,
            "DeepSeek-V4 (my_own) is not read, and the nearest that opens is deepseek_v32; ",
        ),
        (r#"{ "model_type": "llama" }"#, "llama is a dense model: "),
    ] {
        let why = refused(config);
        assert!(why.starts_with(start), "{why}");
    }
    let why = refused(r#"{ "architectures": ["NllbMoeForConditionalGeneration"] }"#);
    assert!(why.starts_with("model_type is missing"), "{why}");
    let near = "by its class NllbMoeForConditionalGeneration, NLLB-MoE (NllbMoe) is not read, and \
        the nearest that opens is switch_transformers";
    assert!(why.contains(near), "{why}");
    assert!(refused("{}").starts_with("model_type is missing"));
}
