//! Controls of an experiment: what each is compared with, and what a list that cannot act says.

use super::{
    jobs::tokens,
    toy::Toy,
    watch::{Watch, World, experiment},
};
use crate::engine::{Event, Request};
use crate::spec::{InterventionSet, Position, TokenId};
use crate::study::{Study, StudyError, StudyEvent};
use crate::trace::Comparison;

fn lists(texts: &[&str]) -> Vec<InterventionSet> {
    let one = |it: &&str| experiment(&[], 1, &[it]).edits;
    texts.iter().map(one).collect()
}

/// Asks for controls, and hears them to their end: the comparisons of each, and how often each was said to be whole.
fn hear(
    it: &mut Watch,
    from: u32,
    next: Option<TokenId>,
    texts: &[&str],
) -> (Vec<Vec<Comparison>>, Vec<usize>, Result<(), StudyError>) {
    let study = Study::Controls {
        tokens: tokens(),
        next,
        from: Position(from),
        lists: lists(texts),
    };
    it.ask(Request::Study { tag: 3, study });
    it.until(|it| {
        matches!(
            it,
            Event::Study {
                tag: 3,
                event: StudyEvent::Ended { .. }
            }
        )
    });
    let mut found = vec![Vec::new(); texts.len()];
    let mut n_last = vec![0; texts.len()];
    let mut ended = Ok(());
    for event in &it.log {
        match event {
            Event::Study {
                event:
                    StudyEvent::Controlled {
                        control,
                        comparisons,
                        is_last,
                    },
                ..
            } => {
                found[*control].extend(comparisons.iter().copied());
                n_last[*control] += usize::from(*is_last);
            }
            Event::Study {
                event: StudyEvent::Ended { result, .. },
                ..
            } => ended.clone_from(result),
            Event::Study {
                event: StudyEvent::Progress(it),
                ..
            } => assert!(it.n_done <= it.n_total),
            _ => {}
        }
    }
    (found, n_last, ended)
}

fn check(from: u32, texts: &[&str]) {
    for runs_ahead in [false, true] {
        let toy = Toy {
            runs_ahead,
            ..Toy::default()
        };
        let world = World::toy(&toy);
        let mut it = Watch::new(toy);
        let next = TokenId(7);
        let (found, n_last, ended) = hear(&mut it, from, Some(next), texts);
        assert_eq!(ended, Ok(()));
        assert_eq!(n_last, vec![1; texts.len()]);
        let whole: Vec<TokenId> = tokens().into_iter().chain([next]).collect();
        for (list, got) in lists(texts).iter().zip(&found) {
            let want = world.counterfactual(&whole, &world.lowered(list));
            let n = tokens().len();
            let want = want.comparisons.iter();
            let want: Vec<_> = want
                .filter(|it| it.at.0 >= from && it.at.idx() < n)
                .map(|it| (it.at, it.kl.to_bits(), it.baseline.map(|it| it.token)))
                .collect();
            let got: Vec<_> = got
                .iter()
                .map(|it| (it.at, it.kl.to_bits(), it.baseline.map(|it| it.token)))
                .collect();
            assert_eq!(got, want, "{list:?} from {from}");
        }
        assert!(found.iter().flatten().any(|it| it.kl > 0.0));
    }
}

#[test]
fn each_control_is_compared_with_the_text_without_edits() {
    check(9, &["mask:0.1@9..", "mask:0.2@9..", "mask:0.3@9.."]);
    check(0, &["mask:1.1", "mask:1.0"]);
    check(69, &["mask:0.1@69.."]);
}

#[test]
fn a_list_that_cannot_act_is_told_in_a_sentence() {
    let mut it = Watch::new(Toy::default());
    let (_, _, ended) = hear(&mut it, 0, None, &["mask:0.1", "mask:77.0"]);
    let why = ended.unwrap_err().to_string();
    assert!(why.contains("layer 77"), "{why}");
    let mut it = Watch::new(Toy::default());
    let (_, _, ended) = hear(&mut it, 70, None, &["mask:0.1"]);
    let why = ended.unwrap_err().to_string();
    assert!(why.contains("from token 70 on"), "{why}");
}
