//! How the experts' colours were found: eight colours moved at random, less and less, and kept where what is missing to
//! the distances gets smaller. Not run with the rest: it takes a minute where the compiler optimises.

use eframe::egui::Color32;

use super::{
    APART, DARK, FROM_AMBER, LEAST_CHROMA, LEAST_LIGHT, LIGHT, PRESENT, Palette, SIGHTS, contrast,
    linear, oklab, seen,
};

/// A colour in each sight.
type Seen = [[f64; 3]; 4];

/// What is asked beyond the least, for bytes round.
const MORE: f64 = 0.001;
/// How far apart any two are in normal sight, where that can be had.
const APART_ON_LIGHT: f64 = 0.13;
const N_MOVES: usize = 400_000;
const N_TRIES: usize = 60;

/// Numbers from 0 to 1, by Marsaglia (2003).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn in_each(color: Color32) -> Seen {
    SIGHTS.map(|it| seen(color, &it.1))
}

fn apart(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

/// What a shortfall costs.
fn cost(lacks: f64) -> f64 {
    let lacks = lacks.max(0.0);
    lacks * lacks + 0.01 * lacks
}

/// What one colour must differ from.
struct Wanted {
    is_light: bool,
    panels: Vec<Color32>,
    others: Vec<Seen>,
    ambers: Vec<Seen>,
}

impl Wanted {
    fn of(palettes: &[&Palette]) -> Self {
        let others = palettes.iter().flat_map(|it| [it.panel, it.text]);
        Self {
            is_light: palettes.iter().all(|it| !it.dark),
            panels: palettes.iter().map(|it| it.panel).collect(),
            others: others.map(in_each).collect(),
            ambers: palettes.iter().map(|it| in_each(it.amber)).collect(),
        }
    }

    /// What a colour lacks by itself.
    fn alone(&self, color: Color32, seen: &Seen) -> f64 {
        let panels = self.panels.iter();
        let mut out: f64 = panels
            .map(|it| cost(0.3 - 0.1 * contrast(color, *it)))
            .sum();
        if self.is_light {
            let [light, a, b] = oklab(linear(color));
            out += cost(LEAST_LIGHT + MORE - light) + cost(LEAST_CHROMA + MORE - a.hypot(b));
        }
        for sight in 0..SIGHTS.len() {
            let far = |it: &Seen| apart(&it[sight], &seen[sight]);
            let amber = if sight == 0 { FROM_AMBER } else { APART };
            let others = self.others.iter().map(|it| cost(APART + MORE - far(it)));
            let ambers = self.ambers.iter().map(|it| cost(amber + MORE - far(it)));
            out += others.chain(ambers).sum::<f64>();
        }
        out
    }

    /// What two of them lack.
    fn pair(&self, a: &Seen, b: &Seen) -> f64 {
        let least = |sight| match sight {
            0 if self.is_light => APART_ON_LIGHT,
            _ => APART + MORE,
        };
        (0..SIGHTS.len())
            .map(|sight| cost(least(sight) - apart(&a[sight], &b[sight])))
            .sum()
    }

    /// What the `n`-th lacks.
    fn one(&self, all: &[(Color32, Seen)], n: usize) -> f64 {
        let (color, seen) = &all[n];
        let others = all.iter().enumerate().filter(|it| it.0 != n);
        let pairs: f64 = others.map(|(_, it)| self.pair(seen, &it.1)).sum();
        self.alone(*color, seen) + pairs
    }

    fn all(&self, all: &[(Color32, Seen)]) -> f64 {
        (0..all.len()).map(|it| self.one(all, it)).sum()
    }

    /// One try: random colours, moved less and less.
    fn once(&self, chance: &mut Chance) -> Vec<(Color32, Seen)> {
        let with = |it: Color32| (it, in_each(it));
        let mut all: Vec<(Color32, Seen)> = (0..8)
            .map(|_| with(moved(Color32::from_gray(128), 128.0, chance)))
            .collect();
        for n_moved in 0..N_MOVES {
            let left = 1.0 - n_moved as f64 / N_MOVES as f64;
            let n = ((chance.next() * 8.0) as usize).min(7);
            let (before, was) = (self.one(&all, n), all[n]);
            all[n] = with(moved(was.0, 4.0 + 90.0 * left * left, chance));
            let worse = self.one(&all, n) - before;
            let warmth = 0.002 * left.powi(3) + 1e-9;
            if worse > 0.0 && chance.next() > (-worse / warmth).exp() {
                all[n] = was;
            }
        }
        all
    }
}

fn moved(color: Color32, by: f64, chance: &mut Chance) -> Color32 {
    let mut byte = |it: u8| (f64::from(it) + (chance.next() * 2.0 - 1.0) * by).round() as u8;
    Color32::from_rgb(byte(color.r()), byte(color.g()), byte(color.b()))
}

#[test]
#[ignore = "a search of a minute; what it found is held by the other tests"]
fn experts_colours_are_found() {
    let mut chance = Chance(4242);
    for palettes in [&[&LIGHT, &PRESENT][..], &[&DARK][..]] {
        let wanted = Wanted::of(palettes);
        let found = (0..N_TRIES)
            .map(|_| wanted.once(&mut chance))
            .min_by(|a, b| wanted.all(a).total_cmp(&wanted.all(b)));
        let found = found.unwrap();
        let colors: Vec<String> = found.iter().map(|it| it.0.to_hex()).collect();
        println!("{:?}: {colors:?}", palettes[0].kind);
        assert!(wanted.all(&found) < 0.002, "{}", wanted.all(&found));
    }
}
