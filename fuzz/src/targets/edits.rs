//! Lines of edits as people write them: what is printed is what was read, and a list that a model accepts leaves its
//! routers something to choose.

use std::sync::LazyLock;

use moescope::checkpoint::{self, Bundled, Source};

use moescope::spec::{Intervention, InterventionSet, ModelSpec, Position, Revision, RoutingPolicy};

/// Edits of one list, at most.
const MAX_EDITS: usize = 64;
/// The model that edits act on: 6 layers, 8 experts, 2 of them a token.
static MODEL: LazyLock<ModelSpec> = LazyLock::new(|| {
    checkpoint::open(&Source::Bundled(Bundled::Tour))
        .unwrap()
        .spec
});

/// Each line an edit.
pub fn edits(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let mut set = InterventionSet::default();
    for line in text.lines().take(MAX_EDITS) {
        match line.parse::<Intervention>() {
            Ok(edit) => {
                let printed = edit.to_string();
                let again: Intervention = printed.parse().unwrap();
                assert_eq!(again, edit, "{line:?} is printed as {printed}");
                assert_eq!(again.to_string(), printed);
                set.push(edit);
            }
            Err(why) => super::check_sentence(&why),
        }
    }
    let json = serde_json::to_string(&set).unwrap();
    let again: InterventionSet = serde_json::from_str(&json).unwrap();
    assert_eq!(again, set, "as it is saved: {json}");
    match RoutingPolicy::lower(&set, &MODEL, Revision(1)) {
        Ok(policy) => check(&policy, &set),
        Err(why) => {
            super::check_sentence(&why);
            return false;
        }
    }
    !set.is_idle()
}

/// What holds of a list that is accepted, where something begins or ends and beside it.
fn check(policy: &RoutingPolicy, set: &InterventionSet) {
    let ends = set.active().flat_map(|it| [it.span.from, it.span.until]);
    let ends = ends.flatten().map(|it| it.0);
    let places = ends.flat_map(|it| [it.saturating_sub(1), it]).chain([0]);
    for t in places.filter(|it| *it < u32::MAX).map(Position) {
        for (id, router) in MODEL.router_ids() {
            let touches = |it: &Intervention| it.span.contains(t);
            let Some(rule) = policy.at(id, t) else {
                continue;
            };
            assert!(set.active().any(touches), "{t} is touched by no edit");
            let n_allowed = (0..router.n_experts).filter(|it| rule.allows(*it)).count();
            assert!(n_allowed > 0, "all are masked at {t}");
            assert!((1..=router.n_experts).contains(&rule.k));
            assert!(rule.forced.len() <= rule.k);
            assert!(rule.forced.iter().all(|it| rule.allows(it.0.idx())));
            let shares: f32 = rule.forced.iter().filter_map(|it| it.1).sum();
            assert!((0.0..1.0).contains(&shares), "shares of {shares}");
            let biases = rule.logit_bias.iter().chain(&rule.select_bias);
            assert!(biases.copied().all(f32::is_finite));
        }
    }
}
