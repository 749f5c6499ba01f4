//! Tokens whose expert was full: named beside the verdict, and no expert's load.

use super::tests::{judged, spec};
use super::*;
use crate::spec::{Algo, Position, Revision, SeqId, TokenId};
use crate::trace::{Phase, Pick, PickState, RouterTrace, StepTrace};

#[test]
fn what_was_dropped_is_named_and_judged_by_the_tokens_of_its_own_stack() {
    let mut limited = spec(4, 1, 2);
    for router in &mut limited.routers {
        router.algo = Algo::Top1Capacity { cap: 600 };
    }
    // The second router read nothing: no verdict may rest on it.
    let mut step = StepTrace {
        seq: SeqId(0),
        phase: Phase::Prefill,
        start: Position(0),
        revision: Revision(0),
        tokens: vec![TokenId(1); 4000],
        routers: vec![RouterTrace {
            n_experts: 4,
            n_picks: 1,
            picks: (0..4000)
                .map(|it| Pick {
                    expert: ExpertId::new(it % 4),
                    weight: 1.0,
                    state: if it < 3900 {
                        PickState::Chosen
                    } else {
                        PickState::Dropped
                    },
                })
                .collect(),
            margin: vec![None; 4000],
            ..RouterTrace::default()
        }],
    };
    step.routers.push(RouterTrace {
        n_experts: 4,
        ..RouterTrace::default()
    });
    let mut load = LoadStats::default();
    load.add(&step, |_| false);
    let it = judged(std::slice::from_ref(&load), &limited, Preset::Default);
    let [first, second] = &it.routers[..] else {
        panic!("two routers");
    };
    assert_eq!((first.n_tokens, first.n_dropped), (4000, Some(100)));
    assert_eq!(first.n.iter().sum::<u64>(), 3900);
    assert!(
        first
            .evidence
            .contains("Dropped: 100 of 4,000 tokens (2.5 %), whose expert was full."),
        "{}",
        first.evidence
    );
    assert_eq!((second.n_tokens, second.verdict), (0, None));
    assert!(matches!(it.outcome, Outcome::TooFew { have: 0, .. }));
    // A router that takes any number says nothing of what it drops.
    let plain = judged(&[load], &spec(4, 1, 1), Preset::Default);
    assert_eq!(plain.routers[0].n_dropped, None);
    assert!(!plain.routers[0].evidence.contains("ropped"));
}
