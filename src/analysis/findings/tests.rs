//! Findings from made-up facts, each alone and several together.

use super::*;
use crate::spec::{LayerId, RouterSpec, Score, Weight};
use crate::trace::SameBy;

fn spec() -> ModelSpec {
    let router = |layer| RouterSpec {
        score: Score::Sigmoid,
        weight: Weight::Score,
        ..RouterSpec::softmax_top_k(LayerId(layer), 4, 1)
    };
    ModelSpec::with_routers((0..2).map(router))
}

fn gate() -> GateFacts {
    GateFacts {
        norms: vec![1.0, 1.1, 0.9, 1.0],
        selection_bias: vec![0.01, 0.02, 0.03, 0.02],
        ..GateFacts::default()
    }
}

fn part(router: u16) -> WeightPart {
    WeightPart {
        router: Some(RouterId(router)),
        output_norms: vec![2.0, 2.5, 1.5, 2.2],
        has_weights: vec![true; 4],
        ..WeightPart::default()
    }
}

fn copies(experts: &[u16]) -> Copies {
    Copies {
        experts: experts.iter().copied().map(ExpertId).collect(),
        by: SameBy::Weights,
        likeness: 0.9999,
    }
}

/// Kind, experts and edit of each that is found.
fn check(gates: &[GateFacts], weights: &[WeightPart], wanted: &[(FindingKind, &[u16], &str)]) {
    let evidence = Evidence {
        gates,
        weights,
        ..Evidence::default()
    };
    let found = findings(&spec(), &evidence);
    let told: Vec<(FindingKind, Vec<u16>, String)> = found
        .iter()
        .map(|it| {
            let experts = it.experts.iter().map(|it| it.0).collect();
            let edit = it.advice.edit.map(|it| it.to_string());
            (it.kind, experts, edit.unwrap_or_default())
        })
        .collect();
    let wanted: Vec<(FindingKind, Vec<u16>, String)> = wanted
        .iter()
        .map(|(kind, experts, edit)| (*kind, experts.to_vec(), (*edit).to_owned()))
        .collect();
    assert_eq!(told, wanted);
    for it in found {
        assert!(
            it.evidence.ends_with('.') && it.evidence.contains("layer"),
            "{it:?}"
        );
        assert_eq!(it.advice.edit.is_some(), !it.advice.seen.is_empty());
        assert!(!it.advice.means.is_empty() && !it.advice.next.is_empty());
    }
}

#[test]
fn a_sound_model_has_no_finding() {
    check(&[gate(), gate()], &[part(0), part(1)], &[]);
    check(&[], &[], &[]);
}

#[test]
fn each_fault_is_found_as_itself_with_the_edit_that_shows_it() {
    let with_copies = WeightPart {
        copies: vec![copies(&[1, 3])],
        ..part(1)
    };
    check(
        &[gate(), gate()],
        &[part(0), with_copies],
        &[(FindingKind::Copies, &[1, 3], "swap:1.3>1")],
    );
    let silent = WeightPart {
        output_norms: vec![2.0, 0.0001, 1.5, 2.2],
        ..part(0)
    };
    check(
        &[gate()],
        &[silent],
        &[(FindingKind::NoOutput, &[1], "zero:0.1")],
    );
    let biased = GateFacts {
        selection_bias: vec![0.01, 0.02, 0.03, 0.9],
        ..gate()
    };
    check(
        &[biased],
        &[],
        &[(FindingKind::BiasOutlier, &[3], "select:0.3=-0.875")],
    );
    let same = GateFacts {
        same_rows: vec![vec![ExpertId(0), ExpertId(2)]],
        ..gate()
    };
    check(
        &[same],
        &[],
        &[(FindingKind::SameGateRow, &[0, 2], "mask:0.2")],
    );
    let empty = GateFacts {
        empty_rows: vec![ExpertId(2)],
        ..gate()
    };
    check(
        &[empty],
        &[],
        &[(FindingKind::EmptyGateRow, &[2], "mask:0.2")],
    );
}

#[test]
fn one_fault_is_said_once() {
    // A gate of zeros: not four rows that are next to nothing, but a router that looks at no token.
    let zeros = GateFacts {
        norms: vec![0.0; 4],
        empty_rows: (0..4).map(ExpertId).collect(),
        ..gate()
    };
    check(
        &[zeros],
        &[],
        &[(FindingKind::TokenIndependent, &[], "random:0=1")],
    );
    // A gate of two matrices that sees one number of a token.
    let one = GateFacts {
        is_one_number: true,
        ..gate()
    };
    check(
        &[one],
        &[],
        &[(FindingKind::TokenIndependent, &[], "random:0=1")],
    );
    // An expert that was copied with its row of the gate.
    let same = GateFacts {
        same_rows: vec![vec![ExpertId(1), ExpertId(3)]],
        ..gate()
    };
    let copied = WeightPart {
        copies: vec![copies(&[1, 3])],
        ..part(0)
    };
    check(
        &[same],
        &[copied],
        &[(FindingKind::Copies, &[1, 3], "swap:0.3>1")],
    );
}

#[test]
fn an_identity_expert_has_no_output_of_its_own_to_miss() {
    let identity = WeightPart {
        output_norms: vec![2.0, 2.5, 1.5, 0.0],
        has_weights: vec![true, true, true, false],
        ..part(0)
    };
    check(&[gate()], &[identity], &[]);
}

#[test]
fn of_a_series_it_is_said_of_points() {
    let points = ModelSpec {
        input: crate::spec::InputSpec::Series {
            channels: 1,
            gated_embed: true,
        },
        ..spec()
    };
    let blind = GateFacts {
        norms: vec![0.0; 4],
        same_rows: vec![(0..4).map(ExpertId).collect()],
        ..gate()
    };
    let gates = [blind, gate()];
    let evidence = Evidence {
        gates: &gates,
        ..Evidence::default()
    };
    let words = |spec: &ModelSpec| {
        let found = findings(spec, &evidence);
        let one = |it: &Finding| {
            let Advice {
                means, next, seen, ..
            } = &it.advice;
            format!("{} {means} {next} {seen}", it.evidence)
        };
        found.iter().map(one).collect::<String>()
    };
    let (of_tokens, of_points) = (words(&spec()), words(&points));
    assert!(of_tokens.contains("looks at no token"), "{of_tokens}");
    assert_eq!(of_points, of_tokens.replace("token", "point"));
}
