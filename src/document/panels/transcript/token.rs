//! One token in exact numbers, line by line: what its tooltip shows and what is copied of it.

use crate::document::panels::{full_words, router_entropy};
use crate::document::{percent, quoted};
use crate::spec::{Position, RouterId, RouterSpec, Score, TokenTable, grouped};
use crate::trace::{PositionKind, RowRecord};

/// A token of a row, and what of it is wanted.
#[derive(Clone, Debug)]
pub struct TokenNumbers<'a> {
    /// The words of the vocabulary.
    pub tokens: &'a TokenTable,
    /// The row.
    pub record: &'a RowRecord,
    /// Position of the token in the row.
    pub at: Position,
    /// How it is called: `token 3`.
    pub name: &'a str,
    /// The router whose numbers are wanted, where the model is known.
    pub router: (RouterId, Option<&'a RouterSpec>),
    /// A mean over layers, in words.
    pub mean: Option<String>,
    /// KL to the row under the edits, nats; none where there is none, or not its own.
    pub kl: Option<f32>,
}

impl TokenNumbers<'_> {
    /// Its name first; nothing where the row has no such token.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let (record, at) = (self.record, self.at);
        let Some(token) = record.tokens.get(at.idx()).copied() else {
            return Vec::new();
        };
        let kind = self.kind();
        let words = quoted(self.tokens, token);
        let name = self.name;
        let mut out = vec![match kind {
            PositionKind::Token => {
                let id = self.tokens.in_vocabulary(token);
                format!("{words} · {name}, id {id}")
            }
            PositionKind::Point => format!("{words} · {name}"),
        }];
        self.add_choice(&mut out);
        let (router, spec) = self.router;
        let score = spec.map_or(Score::Softmax, |it| it.score);
        if let Some(entropy) = router_entropy(record, router, at, score) {
            out.push(format!("router entropy {} of the most", percent(entropy)));
        }
        if let Some(mean) = &self.mean {
            out.push(format!("{mean}, mean over layers"));
        }
        if let Some(surprise) = record.surprise(at) {
            let before = at.idx() - 1;
            let next = record.readouts.get(before).and_then(|it| it.next);
            let rank = grouped(next.map_or(0, |it| u64::from(it.rank)));
            let p = percent((-surprise).exp());
            out.push(format!("surprise {surprise:.3} nats, rank {rank}, p = {p}"));
        }
        if let Some(kl) = self.kl {
            let (change, unit) = (kind.change(), kind.unit());
            out.push(format!("{change} of the edit {kl:.4} {unit}"));
        }
        out
    }

    fn kind(&self) -> PositionKind {
        match self.tokens.scale {
            Some(_) => PositionKind::Point,
            None => PositionKind::Token,
        }
    }

    /// What the router chose, and its margin.
    fn add_choice(&self, out: &mut Vec<String>) {
        let (router, spec) = self.router;
        let label = spec.map_or_else(String::new, RouterSpec::label);
        let Some(routed) = self.record.store.at(router, self.at) else {
            out.push("not read yet".to_owned());
            return;
        };
        if let Some((it, spec)) = routed.dropped().zip(spec) {
            out.push(format!("{label}: {}", full_words(spec, it)));
            let weight = it.weight;
            out.push(format!(
                "only the residual stream goes on; the weight would have been {weight:.3}"
            ));
        } else {
            let pick = routed.picks();
            let picks = pick.map(|it| format!("expert {} ({:.3})", it.expert, it.weight));
            let picks: Vec<String> = picks.collect();
            out.push(format!("{label}: {}", picks.join(", ")));
        }
        out.extend(routed.margin().map(|it| format!("margin {it:.4}")));
    }
}
