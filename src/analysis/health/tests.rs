//! Made-up loads, worked by hand: each side of each limit at N = 8, 64, 128 and k = 1, 2, 8.

use super::*;
use crate::spec::{LayerId, Position, Revision, SeqId, TokenId};
use crate::trace::{Phase, Pick, PickState, RouterTrace, StepTrace};

const NAMES: [&str; 3] = ["one", "two", "three"];

pub(super) fn spec(n_experts: usize, top_k: usize, n_routers: u16) -> ModelSpec {
    let router = |it| RouterSpec::softmax_top_k(LayerId(it), n_experts, top_k);
    ModelSpec::with_routers((0..n_routers).map(router))
}

/// A text whose routers' experts were picked so often; the picks of all experts together are `k·T`.
fn text(routers: &[Vec<u64>], top_k: usize) -> LoadStats {
    let n_tokens = routers[0].iter().sum::<u64>() as usize / top_k;
    let trace = |n: &Vec<u64>| {
        let all: Vec<usize> = (0..n.len())
            .flat_map(|it| std::iter::repeat_n(it, n[it] as usize))
            .collect();
        assert_eq!(all.len(), n_tokens * top_k, "picks are k·T");
        // Token t takes every T-th of them, so that none is picked twice.
        let picks = (0..n_tokens).flat_map(|t| (0..top_k).map(move |k| t + k * n_tokens));
        RouterTrace {
            n_experts: n.len(),
            n_picks: top_k,
            picks: picks
                .map(|it| Pick {
                    expert: ExpertId::new(all[it]),
                    weight: 1.0,
                    state: PickState::Chosen,
                })
                .collect(),
            margin: vec![None; n_tokens],
            ..RouterTrace::default()
        }
    };
    let mut out = LoadStats::default();
    let step = StepTrace {
        seq: SeqId(0),
        phase: Phase::Prefill,
        start: Position(0),
        revision: Revision(0),
        tokens: vec![TokenId(1); n_tokens],
        routers: routers.iter().map(trace).collect(),
    };
    out.add(&step, |_| false);
    out
}

pub(super) fn judged(texts: &[LoadStats], spec: &ModelSpec, preset: Preset) -> Report {
    let named: Vec<(&str, &LoadStats)> = NAMES.into_iter().zip(texts).collect();
    judge(&named, spec, &preset.into(), true, |_, _| false)
}

#[test]
fn a_selection_bias_is_part_of_the_evidence_and_of_no_verdict() {
    let texts = [text(&[vec![600; 8], vec![600; 8]], 2)];
    let spec = spec(8, 2, 2);
    let plain = judged(&texts, &spec, Preset::Default);
    let gates = [
        GateFacts {
            selection_bias: vec![0.0, 0.01, 0.02, 0.03, 0.04, 0.03, 0.02, 0.9],
            ..GateFacts::default()
        },
        GateFacts::default(),
    ];
    let told = plain.clone().with_gates(&spec, &gates);
    assert_eq!(
        (told.outcome, &told.headline),
        (plain.outcome, &plain.headline)
    );
    let first = &told.routers[0];
    assert_eq!(first.selection_bias.as_ref().unwrap().outliers.len(), 1);
    let words = " Its selection bias 0.000 to 0.900, median 0.025, far from it: expert 7 (0.900).";
    assert_eq!(
        first.evidence,
        format!("{}{words}", plain.routers[0].evidence)
    );
    assert_eq!(told.routers[1], plain.routers[1]);
}

/// One router over one text.
fn one(n: &[u64], top_k: usize) -> RouterReport {
    let texts = [text(&[n.to_vec()], top_k)];
    let report = judged(&texts, &spec(n.len(), top_k, 1), Preset::Default);
    report.routers.into_iter().next().unwrap()
}

fn dead(it: &RouterReport) -> Vec<usize> {
    it.dead.iter().map(|it| it.expert.idx()).collect()
}

/// `low` for the experts named, the rest shared evenly among the others.
fn low(n_experts: usize, total: u64, low: &[u64]) -> Vec<u64> {
    let n_others = (n_experts - low.len()) as u64;
    let left = total - low.iter().sum::<u64>();
    let others = (0..n_others).map(|it| left / n_others + u64::from(it < left % n_others));
    low.iter().copied().chain(others).collect()
}

#[test]
fn numbers_are_those_worked_by_hand() {
    // Half of eight experts, evenly: four effective ones, n̄ = 500, max/mean 2, ln 4 / ln 8 = 2/3.
    let it = one(&[1000, 1000, 1000, 1000, 0, 0, 0, 0], 2);
    let got = it.numbers.unwrap();
    assert!((got.evenness - 0.5).abs() < 1e-12 && (got.effective - 4.0).abs() < 1e-12);
    assert!((got.entropy - 2.0 / 3.0).abs() < 1e-12);
    assert!((got.cv - 1.0).abs() < 1e-12 && (got.max_vio - 1.0).abs() < 1e-12);
    assert!((got.max_over_mean - 2.0).abs() < 1e-12);
    assert_eq!(
        (it.verdict, dead(&it)),
        (Some(Verdict::Collapsed), vec![4, 5, 6, 7])
    );
}

#[test]
fn a_verdict_needs_2000_tokens_and_50_picks_an_even_expert() {
    let check = |n_experts: usize, top_k: usize, needed: u64| {
        for (n_tokens, is_enough) in [(needed - 1, false), (needed, true)] {
            let n = low(n_experts, n_tokens * top_k as u64, &[]);
            let texts = [text(&[n], top_k)];
            let report = judged(&texts, &spec(n_experts, top_k, 1), Preset::Default);
            assert_eq!(report.routers[0].needed, needed, "N {n_experts}, k {top_k}");
            assert_eq!(report.verdict().is_some(), is_enough, "{n_tokens} tokens");
            let too_few = Outcome::TooFew {
                have: n_tokens,
                need: needed,
            };
            assert_eq!(report.outcome == too_few, !is_enough);
        }
    };
    check(8, 1, 2000);
    check(8, 2, 2000);
    check(64, 1, 3200);
    check(64, 2, 2000);
    check(64, 8, 2000);
    check(128, 1, 6400);
    check(128, 2, 3200);
    check(128, 8, 2000);
}

#[test]
fn dead_is_below_a_twentieth_of_even_and_a_quarter_of_them_collapses() {
    use Verdict::{Collapsed, Even, Skewed};
    // (N, k, T): n̄ = kT/N, the limit 0.05·n̄ and a quarter of N are whole numbers.
    let check = |n_experts: usize, top_k: usize, n_tokens: u64, limit: u64| {
        let total = n_tokens * top_k as u64;
        assert_eq!(total / n_experts as u64 / 20, limit);
        let of = |n_low: usize, each: u64| one(&low(n_experts, total, &vec![each; n_low]), top_k);
        let at_limit = of(1, limit);
        assert_eq!((at_limit.verdict, at_limit.dead.len()), (Some(Even), 0));
        let below = of(1, limit - 1);
        assert_eq!((below.verdict, dead(&below)), (Some(Skewed), vec![0]));
        let quarter = n_experts / 4;
        let fewer = of(quarter - 1, 0);
        assert_eq!(
            (fewer.verdict, fewer.dead.len()),
            (Some(Skewed), quarter - 1)
        );
        let enough = of(quarter, limit - 1);
        assert_eq!(
            (enough.verdict, enough.dead.len()),
            (Some(Collapsed), quarter)
        );
        assert_eq!(enough.reasons[0].limit as usize, quarter);
    };
    check(8, 1, 3200, 20);
    check(8, 2, 2000, 25);
    check(64, 1, 6400, 5);
    check(64, 2, 3200, 5);
    check(64, 8, 3200, 20);
    check(128, 1, 12800, 5);
    check(128, 2, 6400, 5);
    check(128, 8, 3200, 10);
    // With all eight picked there is nothing to be uneven about.
    assert_eq!(one(&[2000; 8], 8).verdict, Some(Even));
}

#[test]
fn evenness_and_the_busiest_expert_have_their_limits() {
    use Verdict::{Collapsed, Even, Skewed};
    let numbers = |evenness: f64, max_over_mean: f64| Numbers {
        evenness,
        entropy: 1.0,
        effective: 0.0,
        cv: 0.0,
        max_vio: max_over_mean - 1.0,
        max_over_mean,
    };
    let check = |n_experts, top_k, evenness, most, wanted| {
        let got = verdict(
            &numbers(evenness, most),
            0,
            n_experts,
            top_k,
            &Thresholds::default(),
        );
        assert_eq!(
            got.0, wanted,
            "N {n_experts}, k {top_k}, {evenness}, {most}"
        );
        assert_eq!(got.1.is_empty(), wanted == Even);
    };
    for (n_experts, top_k, ceiling) in [
        (8, 1, 8.0),
        (8, 2, 4.0),
        (8, 8, 1.0),
        (64, 1, 64.0),
        (64, 2, 32.0),
        (64, 8, 8.0),
        (128, 1, 128.0),
        (128, 2, 64.0),
        (128, 8, 16.0),
    ] {
        let most = 1.0 + 0.75 * (ceiling - 1.0);
        check(n_experts, top_k, 0.75, most, Even);
        check(n_experts, top_k, 0.75, most + 1e-9, Skewed);
        check(n_experts, top_k, 0.75 - 1e-9, most, Skewed);
        check(n_experts, top_k, 0.5, most, Skewed);
        check(n_experts, top_k, 0.5 - 1e-9, most, Collapsed);
    }
}

#[test]
fn the_threshold_lies_three_quarters_of_the_way_to_the_ceiling() {
    let near = |(n_experts, top_k), wanted: f64| {
        let got = Thresholds::default().skewed_above(n_experts, top_k);
        assert!(
            (got.unwrap() - wanted).abs() < 1e-12,
            "{got:?} is not {wanted}"
        );
    };
    near((8, 2), 3.25);
    near((64, 8), 6.25);
    near((128, 1), 96.25);
    near((4, 4), 1.0);
}

#[test]
fn a_busy_expert_alone_skews_a_router() {
    // N = 64, k = 8, T = 3200: n̄ = 400 and the limit 6.25·n̄ = 2500 of at most 3200.
    let of = |most: u64| {
        let mut n = low(64, 3200 * 8 - most, &[0]);
        n[0] = most;
        one(&n, 8)
    };
    assert_eq!(of(2500).verdict, Some(Verdict::Even));
    let skewed = of(2501);
    assert_eq!(skewed.verdict, Some(Verdict::Skewed));
    assert_eq!(skewed.reasons.len(), 1);
    assert_eq!(skewed.reasons[0].measure, Measure::MaxOverMean);
    assert!(
        skewed.evidence.contains("6.25 × even (above 6.25)"),
        "{}",
        skewed.evidence
    );
}

#[test]
fn an_expert_that_one_text_needs_is_not_dead() {
    // Over both texts n̄ is 2500 and idle is below 125; in the short one n̄ is 100.
    let long = text(&[low(8, 19_200, &[0])], 2);
    let spec = spec(8, 2, 1);
    let check = |n: u64, is_dead: bool| {
        let short = text(&[low(8, 800, &[n])], 2);
        let report = judged(&[long.clone(), short], &spec, Preset::Default);
        let it = &report.routers[0];
        assert_eq!((it.n[0], it.n_tokens), (n, 10_000));
        assert_eq!(it.by_text[1][0], n);
        let (dead, unused) = (it.dead.len(), it.unused.len());
        assert_eq!(
            (dead, unused),
            (usize::from(is_dead), usize::from(!is_dead))
        );
        let idle = it.dead.iter().chain(&it.unused).next().unwrap();
        assert_eq!(idle.text, (n > 0).then_some(1));
        assert!((idle.utilisation - n as f64 / 100.0).abs() < 1e-12);
        it.evidence.clone()
    };
    let dead = check(50, true);
    assert!(
        dead.contains("Expert 0 was picked for 50 of 10,000 tokens, in no text above 0.5 of even (most in two: 0.5)"),
        "{dead}"
    );
    let used = check(51, false);
    assert!(
        used.starts_with("Even:") && used.contains("0.51 × even in two"),
        "{used}"
    );
    assert!(check(0, true).contains("picked for 0 of 10,000 tokens, in none of the texts"));
}

#[test]
fn a_masked_expert_is_masked_and_never_dead() {
    let load = text(&[low(8, 8000, &[0, 0])], 2);
    let masked = |_, expert| expert == ExpertId(1);
    let texts = [("one", &load)];
    let report = judge(&texts, &spec(8, 2, 1), &Thresholds::default(), true, masked);
    let it = &report.routers[0];
    assert_eq!((dead(it), &it.masked), (vec![0], &vec![ExpertId(1)]));
    assert_eq!(it.verdict, Some(Verdict::Skewed));
}

#[test]
fn the_model_is_as_bad_as_its_worst_layer() {
    let even = low(8, 8000, &[]);
    let skewed = low(8, 8000, &[0]);
    let collapsed = low(8, 8000, &[0, 0]);
    let worse = low(8, 8000, &[0, 0, 0, 0]);
    let check = |routers: &[Vec<u64>], wanted: Verdict, worst: u16, words: &str| {
        let n = u16::try_from(routers.len()).unwrap();
        let report = judged(&[text(routers, 2)], &spec(8, 2, n), Preset::Default);
        let Outcome::Judged {
            verdict,
            worst: at,
            n_even,
            n_skewed,
            n_collapsed,
        } = report.outcome
        else {
            panic!("{:?}", report.outcome)
        };
        assert_eq!((verdict, at), (wanted, RouterId(worst)));
        assert_eq!(n_even + n_skewed + n_collapsed, routers.len());
        assert_eq!(report.headline, words);
    };
    let all = [&even, &collapsed, &worse, &skewed, &even].map(Clone::clone);
    check(
        &all,
        Verdict::Collapsed,
        2,
        "Collapsed: 2 of 5 layers (1, 2); skewed: 1 of 5 layers (3); worst layer 2, evenness 0.5, 4 of 8 experts dead, expert 4 at 2 × even",
    );
    let two = [even.clone(), skewed.clone()];
    check(
        &two,
        Verdict::Skewed,
        1,
        "Skewed: 1 of 2 layers (1); worst layer 1, evenness 0.87, 1 of 8 experts dead, expert 1 at 1.14 × even",
    );
    let fine = [even.clone(), even.clone()];
    check(
        &fine,
        Verdict::Even,
        1,
        "Even: all 2 layers, lowest evenness 1",
    );
}

#[test]
fn others_use_other_limits() {
    // Half of the experts: collapsed here; ln 4 / ln 8 = 0.67 is fine there.
    let texts = [text(&[vec![1000, 1000, 1000, 1000, 0, 0, 0, 0]], 2)];
    let of = |n_experts, texts: &[LoadStats], top_k| {
        let report = judged(texts, &spec(n_experts, top_k, 1), Preset::MoeWatch);
        (report.verdict().unwrap(), report.routers[0].reasons.clone())
    };
    assert_eq!(of(8, &texts, 2).0, Verdict::Even);
    // Three of eight with k = 1: ln 3 / ln 8 = 0.53; two: 0.33.
    let three = [text(&[vec![1000, 1000, 1000, 0, 0, 0, 0, 0]], 1)];
    assert_eq!(of(8, &three, 1).0, Verdict::Skewed);
    let two = [text(&[vec![1000, 1000, 0, 0, 0, 0, 0, 0]], 1)];
    let (verdict, reasons) = of(8, &two, 1);
    assert_eq!(
        (verdict, reasons[0].measure),
        (Verdict::Collapsed, Measure::Entropy)
    );
    // N = 64, k = 8: five times the mean of 400 may be, more may not.
    let busy = |most: u64| {
        let mut n = low(64, 3200 * 8 - most, &[0]);
        n[0] = most;
        [text(&[n], 8)]
    };
    assert_eq!(of(64, &busy(2000), 8).0, Verdict::Even);
    assert_eq!(of(64, &busy(2001), 8).0, Verdict::Skewed);
}

#[test]
fn a_model_without_routers_and_one_without_tokens_get_no_verdict() {
    let none = judged(&[], &spec(8, 2, 0), Preset::Default);
    assert_eq!(none.outcome, Outcome::NoRouter);
    let empty = judged(&[], &spec(8, 2, 3), Preset::Default);
    assert_eq!(
        empty.outcome,
        Outcome::TooFew {
            have: 0,
            need: 2000
        }
    );
    assert_eq!(
        empty.headline,
        "No verdict: 0 tokens were counted, and 2,000 are needed"
    );
    assert!(
        empty
            .routers
            .iter()
            .all(|it| it.numbers.is_none() && it.dead.is_empty())
    );
}

/// The report on texts with names, as if each held one kind of text.
fn of_kinds(texts: &[LoadStats]) -> Report {
    let named: Vec<(&str, &LoadStats)> = NAMES.into_iter().zip(texts).collect();
    let limits = Thresholds::default();
    judge(&named, &spec(8, 2, 1), &limits, false, |_, _| false)
}

#[test]
fn one_text_alone_gives_no_verdict_but_even() {
    let skewed = text(&[vec![1300, 1300, 1300, 1300, 800, 800, 800, 0]], 2);
    let even = text(&[vec![1000; 8]], 2);
    let nothing = LoadStats::default();
    let alone = of_kinds(std::slice::from_ref(&skewed));
    assert_eq!(
        alone.outcome,
        Outcome::Withheld {
            verdict: Verdict::Skewed,
            worst: RouterId(0)
        }
    );
    assert_eq!(alone.verdict(), None);
    let router = &alone.routers[0];
    assert_eq!(
        (router.verdict, router.withheld),
        (None, Some(Verdict::Skewed))
    );
    assert!(router.dead.is_empty(), "none is called dead");
    assert_eq!(router.unused.len(), 1);
    let words = "No verdict: one text alone cannot tell a specialist from a dead expert";
    assert!(alone.headline.starts_with(words), "{}", alone.headline);
    let rest =
        "it would be skewed; worst layer 0, evenness 0.85, 1 of 8 experts little used, expert 0 at";
    assert!(alone.headline.contains(rest), "{}", alone.headline);
    assert!(router.evidence.starts_with(words), "{}", router.evidence);
    // A text without a token is no second one.
    assert_eq!(of_kinds(&[nothing.clone(), skewed.clone()]).verdict(), None);
    assert_eq!(of_kinds(&[nothing, skewed.clone()]).texts.len(), 1);
    // Two texts, a mixed one, and an even one are judged.
    let both = of_kinds(&[skewed.clone(), skewed.clone()]);
    assert_eq!(both.verdict(), Some(Verdict::Skewed));
    let mixed = judged(&[skewed], &spec(8, 2, 1), Preset::Default);
    assert_eq!(mixed.verdict(), Some(Verdict::Skewed));
    assert_eq!(of_kinds(&[even]).verdict(), Some(Verdict::Even));
}

#[test]
fn a_verdict_names_the_busiest_expert_and_the_least_used() {
    let texts = [
        text(&[vec![2000, 1000, 1000, 1000, 1000, 1000, 500, 500]], 2),
        text(&[vec![2000, 1000, 1000, 1000, 1000, 1000, 900, 100]], 2),
    ];
    let report = of_kinds(&texts);
    let it = &report.routers[0];
    let (busiest, least) = (it.busiest.unwrap(), it.least.unwrap());
    assert_eq!((busiest.expert.idx(), busiest.n), (0, 4000));
    assert!((busiest.utilisation - 2.0).abs() < 1e-12);
    assert_eq!((least.expert.idx(), least.n, least.text), (7, 600, Some(0)));
    let words =
        "Busiest: expert 0, 2 × even, at most 2 in one; least: expert 7, 0.3, at most 0.5 in one.";
    assert!(it.evidence.ends_with(words), "{}", it.evidence);
    // Where experts are dead they are named one by one already.
    let texts = [
        text(&[low(8, 8000, &[0, 0])], 2),
        text(&[low(8, 8000, &[0, 0])], 2),
    ];
    let report = of_kinds(&texts);
    let evidence = &report.routers[0].evidence;
    assert!(
        evidence.contains(
            "Busiest: expert 2, 1.33 × even, at most 1.33 in one. Expert 0 was picked for 0"
        ),
        "{evidence}"
    );
    assert!(
        report
            .headline
            .ends_with("2 of 8 experts dead, expert 2 at 1.33 × even"),
        "{}",
        report.headline
    );
}
